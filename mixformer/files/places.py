"""Places that results go to: what may be there, and which process writes there."""

from __future__ import annotations

import fnmatch
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mixformer.errors import OutputError, remedy
from mixformer.files.partial_names import beside, host, own_mark, own_places, partial_path, real_path
from mixformer.files.special_files import is_special, own_stream

LOCK = ".lock"
"""File in a folder that is being filled, which its process has locked."""

_LOCKED_BYTE = 2**40  # Windows locks bytes, and others could not read them: one beyond the end of any file
_PARTIAL = re.compile(r"\..+\.(?P<host>[a-zA-Z0-9]+)-(?P<pid>\d{1,9})-[0-9a-f]{8}\.partial")
_ASK = "give another name, or --overwrite (overwrite=True in Python) to replace it"


def require_apart(path: Path, inputs: Iterable[object]) -> None:
    """Raise OutputError if a result, or its draft, would replace a file that is read."""
    if is_special(path):
        return
    for source in (Path(str(each)) for each in inputs):
        if _same(path, source):
            raise OutputError(f"{path} is read here, or is the source itself; give the result another name")
        if any(_same(place, source) for place in own_places(path)):
            raise OutputError(f"{path} is written as {source} until it is whole; give the result another name")
        if path.is_dir() and real_path(path) in (where := real_path(source)).parents:
            name = where.relative_to(real_path(path)).parts[0]
            if Path(name).stem.isdigit():
                raise OutputError(f"the pictures in {path} are replaced, and {source} is among them; give another name")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the system says of a path that one may not look at into an OutputError."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; {remedy(error)}") from error


def require_place(path: Path, overwrite: bool = False) -> None:
    """Refuse a place that a result cannot be put into. Nothing is changed.

    Raises OutputError if there is a result already (unless `overwrite`), another process writes it just now, or the
    folder cannot be written.
    """
    if is_special(path):
        return
    require_name(path)
    with _readable(path):
        if not overwrite:
            require_free(path)
        home = real_path(path)
        while not home.exists():
            home = home.parent
        if home != real_path(path) and not home.is_dir():
            raise OutputError(f"cannot write {path}: {home} is a file and no folder; give another name")
        folder = home if home.is_dir() else home.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write {path}: no permission to write in {folder}; give another folder")
        require_unclaimed(path)


def require_name(path: Path) -> None:
    """Raise OutputError if no file can have this path: its name is too long, or links form a circle."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:  # a zero byte is a ValueError
        raise OutputError(f"cannot write {path}: {error}; give another name") from error


def require_unclaimed(path: Path) -> None:
    """Raise OutputError if another process writes this result just now."""
    part = partial_path(path)
    claimed = part / LOCK if part.is_dir() else part
    if claimed.exists():
        claim(claimed, path).close()


def require_free(path: Path) -> None:
    """Raise OutputError if the file exists, or the folder holds something; the message says how to replace it."""
    if path.is_dir():
        if any(item.name != ".partial" for item in path.iterdir()):
            raise OutputError(f"the folder {path} is not empty; {_ASK}")
    elif path.exists() or path.is_symlink():
        raise OutputError(f"{path} exists already; {_ASK}")


@contextmanager
def claimed_folder(folder: Path, marker: str, kind: str, overwrite: bool) -> Iterator[None]:
    """Claim a folder for results before the work, and let go of it afterwards. Nothing in it is changed.

    A folder of such results, called a `kind`, is known by its file `marker`. Raises OutputError if there are results
    and `overwrite` is not given, the folder holds something else, another process writes there just now, or it cannot
    be written.
    """
    _require_kind(folder, marker, kind, overwrite)
    with claimed(folder):
        clear_left_over(folder.absolute().parent)
        yield


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Claim a result before the work, and let go of it afterwards. Raises OutputError if another process has it."""
    lock = lock_of(path)
    made = make_folders(lock.parent, path)
    file = claim(lock, path)
    try:
        yield
    finally:
        if os.name == "nt":  # an open file cannot be removed there
            file.close()
        remove_files(lock)
        remove_folders(made)
        file.close()


def lock_of(path: Path) -> Path:
    """Return the path of the file that a process locks while it works for a result."""
    return beside(path.absolute(), ".", ".lock")


def require_replaceable(folder: Path, known: Iterable[str], kind: str, overwrite: bool) -> None:
    """Refuse a folder that a new one cannot take the place of. An empty one, or none, can be replaced.

    `known` holds patterns of the names in such a folder, called a `kind`; the first is of a file that is always there.
    Raises OutputError if there is a result and `overwrite` is not given, or the folder holds something else.
    """
    patterns = list(known)
    names = _require_kind(folder, patterns[0], kind, overwrite)
    if others := [name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]:
        raise OutputError(f"{folder} also holds {others[0]}, which is not replaced; move it, or give a new folder")


def _require_kind(folder: Path, marker: str, kind: str, overwrite: bool) -> list[str]:
    """Refuse a folder that holds something else than such results, and return the names in it."""
    names = require_kind(folder, [marker], kind)
    if not overwrite and any(not name.startswith(".") for name in names):
        raise OutputError(f"{folder} exists already; {_ASK}")
    return names


def require_kind(folder: Path, markers: Iterable[str], kind: str, beside: Iterable[str] = ()) -> list[str]:
    """Refuse a folder that holds something else than a `kind` of result, and return the names in it.

    A file of one of the patterns `markers` tells that it is one. Hidden files, and names of the patterns `beside`, may
    be there before. Raises OutputError, also if the folder cannot be written.
    """
    require_place(folder, overwrite=True)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, and the result is a folder; give another name")
    with _readable(folder):
        names = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    seen = [name for name in names if not name.startswith(".")]
    if not any(fnmatch.filter(seen, marker) for marker in markers):
        others = [name for name in seen if not any(fnmatch.fnmatch(name, pattern) for pattern in beside)]
        if others:
            raise OutputError(f"{folder} is not empty, and is not a {kind}; give a new folder")
    return names


def swap_in(new: Path, place: Path) -> None:
    """Put a folder that is whole in the place of an earlier one. Raises OSError if it cannot; the earlier one stays.

    A process that is killed meanwhile may leave the earlier one beside it, as `.NAME.MARK.replaced`.
    """
    place = real_path(place)
    if not place.is_dir():
        new.replace(place)
        return
    aside = beside(place, ".", f".{own_mark()}.replaced")
    place.replace(aside)
    try:
        new.replace(place)
    except OSError:
        aside.replace(place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def make_folders(folder: Path, what: Path) -> list[Path]:
    """Make folders as `new_folders` does. Raises OutputError, which names the result `what`, if that fails."""
    try:
        return new_folders(real_path(folder))  # a link may lead to a folder that is not there yet
    except OSError as error:
        raise OutputError(f"cannot write {what}: {error}; give another folder") from error


def new_folders(folder: Path) -> list[Path]:
    """Make a folder, and the folders that hold it; return those that were missing, from the outermost, or make none."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()][::-1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_folders(missing)
        raise
    return missing


def remove_files(*paths: Path) -> None:
    """Remove files, as far as they are there and it is possible."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def remove_folders(made: Iterable[Path]) -> None:
    """Remove what `make_folders` made, as far as it is empty."""
    for path in reversed(list(made)):
        with suppress(OSError):
            path.rmdir()


def open_raw(part: Path, path: Path, mode: int = os.O_RDWR) -> io.FileIO:
    """Open a file that belongs to the result `path`, without a buffer in this process. Its content stays."""
    try:
        number = own_stream(part)
        if number is None:
            number = os.open(part, mode | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; give another name or folder") from error
    return io.FileIO(number, "wb" if mode == os.O_WRONLY else "rb+")


def claim(part: Path, path: Path) -> io.FileIO:
    """Open a draft for this process alone. Its content stays, since another process may hold it."""
    while True:
        file = open_raw(part, path)
        if not _locked(file):
            file.close()
            raise OutputError(f"another process is writing {path} just now; wait for its end, or give another name")
        with suppress(FileNotFoundError):
            if os.path.samestat(part.stat(), os.fstat(file.fileno())):
                return file
        file.close()  # its owner has put it in its place between our two calls


def _locked(file: io.FileIO) -> bool:
    """Lock a file until it is closed; False if another process has done so. Where nothing can be locked, True."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a network file system without locks
    return True


def clear_left_over(folder: Path) -> None:
    """Remove what killed processes of this machine left of files that they were writing."""
    with suppress(OSError), os.scandir(folder) as items:
        for item in items:
            found = _PARTIAL.fullmatch(item.name)
            if found and found["host"] == host() and not _alive(int(found["pid"])):
                shutil.rmtree(item.path, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # asking would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True
