"""Write files that are either whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError

from mixformer.errors import OutputError

Writer = Callable[[Path], object]


def write_files(files: Mapping[Path, Writer], *, sync: bool = True) -> None:
    """Write several files so that a failure leaves all of them as they were.

    Each is written under a temporary name of its own beside its place, and all are renamed at the end. Missing folders
    are made. Several processes may write the same file: the last one wins.

    Args:
        files: final path -> function that writes the content to the path it is given.
        sync: wait until the content is on the disk, so that it survives a power failure.

    Raises:
        OutputError: if anything cannot be written (disk full, no permission, a file where a folder should be).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_files({Path(folder, "new", "a.txt"): lambda part: part.write_text("whole")})
        ...     Path(folder, "new", "a.txt").read_text()
        'whole'
    """
    partial = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial") for path in files}
    made: list[Path] = []
    try:
        for path, write in files.items():
            _make_folder(path.parent, made)
            _write(partial[path], write, sync)
        for path in files:
            partial[path].replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:
        _clean(list(partial.values()), made)
        names = " and ".join(str(path) for path in files)
        raise OutputError(
            f"could not write {names}: {error}; check free space and permissions, nothing was changed"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write one UTF-8 text file with `\\n` line ends, whole or not at all; see `write_files`.

    Raises:
        OutputError: if it cannot be written.
    """
    write_files({path: lambda part: part.write_text(text, encoding="utf-8", newline="\n")})


def _write(path: Path, write: Writer, sync: bool) -> None:
    path.touch()
    usual = path.stat().st_mode
    write(path)
    path.chmod(usual)  # safetensors makes files that only their owner can read
    if sync:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        made.append(path)


def _clean(partial: list[Path], made: list[Path]) -> None:
    """Remove what a failed write left; a path that cannot be removed is not worth a second error."""
    for path in partial:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue
    for path in reversed(made):
        try:
            path.rmdir()
        except OSError:
            continue
