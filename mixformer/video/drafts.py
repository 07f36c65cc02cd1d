"""Results that grow while a video is tracked: written beside their place, and put there when they are whole.

`out.mp4` is written as `out.partial.mp4` and the folder `frames` as `frames.partial`. What is on the disk is valid at
any time, so that a killed process leaves what it had. The operating system locks a draft for its process: another one
that wants the same result is refused, and the draft of a process that has died is free: it is kept if the same run goes
on (`mixformer/run/resuming.py`), and else replaced.
"""

from __future__ import annotations

import logging
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mixformer.errors import OutputError, remedy
from mixformer.files.partial_names import aside_of, partial_path, real_path
from mixformer.files.places import (
    LOCK,
    claim,
    clear_left_over,
    make_folders,
    open_raw,
    remove_files,
    remove_folders,
    require_free,
    require_name,
    require_place,
)
from mixformer.files.special_files import is_special
from mixformer.video.left_drafts import NUMBERED, put_back

log = logging.getLogger(__name__)

Mark = Mapping[str, Any]
"""Plain values that say how far a draft was written at some moment."""


class _Claim(ABC):
    """The common part of a file and a folder that are being written: the draft and its place."""

    path: Path
    part: Path

    def end(self, whole: bool, empty: bool) -> None:
        """Put the draft in its place, or leave it, or remove it.

        It is `whole` if nothing failed and nobody stopped it, and `empty` if nothing was written. Raises OutputError if
        it cannot be put in its place; the draft is kept.
        """
        if whole:
            self._place(sync=True)
        elif empty:
            self.drop()
        elif self.part != self.path and self._taken():
            self._leave()
            log.warning("%s was not replaced, since the new one is not whole: that is in %s", self.path, self.part)
        else:
            self._place(sync=False)

    def _taken(self) -> bool:
        try:
            require_free(self.path)
        except OutputError:
            return True
        return False

    @abstractmethod
    def drop(self) -> None:
        """Remove the draft and the folders that were made for it."""

    @abstractmethod
    def _place(self, sync: bool) -> None: ...

    @abstractmethod
    def _leave(self) -> None: ...


class Draft(_Claim):
    """A file that is being written. It has the methods that FFmpeg needs of a file.

    After the first failed write every other fails too, so that what is on the disk stays as it was before.
    """

    def __init__(self, path: Path, overwrite: bool = False, *, keep: bool = False) -> None:
        """Claim the place. Without `keep`, the draft is emptied. Raises OutputError as `require_place` does."""
        self.path, self._overwrite = path, overwrite
        self._made: list[Path] = []
        self._error: OSError | None = None
        self._reached = 0  # bytes: as far as anything was written
        if is_special(path):
            self.part = path
            self._file = open_raw(path, path, os.O_WRONLY)
            return
        require_name(path)
        if path.is_dir():
            raise OutputError(f"{path} is a folder, and the result is a file; give the name of a file")
        require_place(path, overwrite)
        self.part = partial_path(path)
        self._made = make_folders(self.part.parent, path)
        self._file = claim(self.part, path)
        if not keep:  # another file, so that nobody takes it for the one that was here
            if self._file.seek(0, os.SEEK_END):
                self.set_aside()
            aside_of(self.part).unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Begin an empty draft, and return the path of its old content. `drop_aside` or the end removes that."""
        aside, old = aside_of(self.part), self._file
        try:
            if os.name == "nt":  # an open file cannot be renamed there
                old.close()
            self.part.replace(aside)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error}; give another name or folder") from error
        self._file = claim(self.part, self.path)
        old.close()
        return aside

    def write(self, data: Any) -> int:
        """Write all bytes at once, past any buffer of this process."""
        if self._error is not None:
            raise self._error
        rest = memoryview(data)
        size = len(rest)
        try:
            while len(rest):
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
            raise
        if self.part != self.path:
            self._reached = max(self._reached, self._file.tell())
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place of the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def cut(self, size: int) -> None:
        """Drop what is behind `size` bytes, such as half a line."""
        with suppress(OSError):
            self._file.truncate(size)
            self._reached = min(self._reached, size)

    def be_there(self) -> None:
        """Write the draft again if somebody has removed it. Raises OSError if that fails."""
        if self.part != self.path:
            self._file = put_back(self.part, self._file)

    def _place(self, sync: bool) -> None:
        try:
            self.be_there()
            if self.part != self.path:
                if sync:
                    self._require_whole()
                if not self._overwrite:
                    require_free(self.path)  # it may have come while this one was written
                if os.name == "nt":  # an open file cannot be renamed there
                    self._file.close()
                self.part.replace(real_path(self.path))
                if sync:
                    aside_of(self.part).unlink(missing_ok=True)
            self._file.close()
        except OSError as error:  # an OutputError is one
            with suppress(OSError):
                self._file.close()
            message = f"cannot finish {self.path}: {error}; what was written is in {self.part}; {remedy(error)}"
            raise OutputError(message) from error

    def _require_whole(self) -> None:
        """Wait until the file is on the disk, and look whether all is in it that was written."""
        os.fsync(self._file.fileno())
        size = os.fstat(self._file.fileno()).st_size
        if size < self._reached:
            raise OSError(f"only {size} of {self._reached} bytes are in it")

    def drop(self) -> None:
        """Remove the draft and the folders that were made for it."""
        if self.part != self.path:
            remove_files(self.part, aside_of(self.part))
        with suppress(OSError):
            self._file.close()
        remove_folders(self._made)

    def _leave(self) -> None:
        with suppress(OSError):
            self._file.close()


class FolderDraft(_Claim):
    """A folder that is being filled with files whose names are numbers, or with folders of those."""

    def __init__(self, path: Path, overwrite: bool = False, *, keep: bool = False) -> None:
        """Claim the place; files go into `part`, which is emptied without `keep`. Raises as `require_place` does."""
        require_place(path, overwrite)
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file, and the result is a folder; give another name")
        self.path, self.part = path, partial_path(path)
        self._made = make_folders(self.part, path)
        self._lock = claim(self.part / LOCK, path)
        if not keep:
            _clear(self.part)
            return
        for folder in (self.part, *(item for item in self.part.iterdir() if item.is_dir())):
            clear_left_over(folder)

    def _place(self, sync: bool) -> None:
        place = real_path(self.path)
        try:
            if sync:
                _sync_all(self.part)
            self._leave()
            if self.part.parent == place:
                _clear(place)
            elif not place.is_dir():
                self.part.replace(place)
                return
            elif any(item.stem.isdigit() for item in place.iterdir()):
                raise OSError("it holds other pictures by now")
            # Otherwise the folder came meanwhile, such as for another result inside it.
            for item in sorted(self.part.iterdir()):
                item.replace(place / item.name)
            self.part.rmdir()
        except OSError as error:
            self._leave()
            message = f"cannot finish {self.path}: {error}; the rest is in {self.part}; {remedy(error)}"
            raise OutputError(message) from error

    def drop(self) -> None:
        """Remove the draft and the folders that were made for it."""
        _clear(self.part)
        with suppress(OSError):
            self._leave()
            if self.part not in self._made:
                self.part.rmdir()
        remove_folders(self._made)

    def _leave(self) -> None:
        if os.name == "nt":  # an open file cannot be removed there
            self._lock.close()
        remove_files(self.part / LOCK)
        self._lock.close()


def _sync_all(folder: Path) -> None:
    """Wait until all files below a folder are on the disk: some disks tell only then that they are full."""
    for top, _, names in os.walk(folder):
        for name in names:
            with Path(top, name).open("rb+") as file:
                os.fsync(file.fileno())


def _clear(folder: Path) -> None:
    """Remove numbered pictures, and folders of those; other files are left."""
    for item in folder.iterdir():
        with suppress(OSError):
            if item.is_dir() and item.stem.isdigit() and not item.is_symlink():
                _clear(item)
                item.rmdir()
            elif NUMBERED.fullmatch(item.name):
                shutil.rmtree(item) if item.is_dir() else item.unlink()
