"""References to pictures, and `read_frame`, which reads them.

A reference is a small hashable value: a file, an entry of an archive, or a frame of a video. The first read opens an
archive. It stays open until a `fork`, so that no two processes share a handle.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mixformer.data.archives import ZipArchive
from mixformer.data.clips import Clip
from mixformer.data.lmdb_file import LmdbArchive
from mixformer.errors import DataError, shown
from mixformer.imaging.images import read_image
from mixformer.imaging.last_used import LastUsed
from mixformer.types import Image

T = TypeVar("T")
H = TypeVar("H")

_OPEN_AT_ONCE = 64  # archives; TrackingNet has thirty thousand


@dataclass(frozen=True, slots=True)
class ArchiveFrame:
    """A picture inside a zip file or an LMDB database."""

    archive: Path  # zip file, or folder (or file) of the database
    key: str  # name of the entry, with `/` between its parts

    def __str__(self) -> str:
        return f"{self.archive}:{self.key}"


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """Frame `index` (from 0) of a video file."""

    clip: Path
    index: int

    def __str__(self) -> str:
        return f"{self.clip}:{self.index}"


FrameRef = Path | ArchiveFrame | ClipFrame


def read_frame(frame: FrameRef) -> Image:
    """Read a picture as RGB uint8 (H, W, 3), without alpha; raises DataError if it is missing or cannot be read."""
    if not isinstance(frame, FrameRef):
        raise DataError(f"a frame of a sequence must be a pathlib.Path, not {shown(frame, 60)}")
    if isinstance(frame, ClipFrame):
        return _handles.use(frame.clip, Clip, lambda clip: clip.read(frame.index))
    return read_image(frame if isinstance(frame, Path) else read_bytes(frame), frame)


def read_bytes(frame: Path | ArchiveFrame) -> bytes:
    """Read the bytes of a file or of an archive's entry; raises DataError if it is missing."""
    if isinstance(frame, Path):
        try:
            return frame.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {frame}: {error}; repair or replace the file") from error
    data = use_archive(frame.archive, lambda archive: archive.read(frame.key))
    if data is None:
        raise DataError(f"{frame.archive} has no entry {frame.key}; pack or download the data again")
    return data


def use_archive(path: Path, work: Callable[[ZipArchive | LmdbArchive], T]) -> T:
    """Call `work` with the open archive, which stays open for the next call."""
    opener: Callable[[Path], ZipArchive | LmdbArchive] = ZipArchive if path.suffix.lower() == ".zip" else LmdbArchive
    return _handles.use(path, opener, work)


def file_state(path: Path) -> object:
    """Return a value that changes if the file is changed or replaced."""
    try:
        found = os.stat(path / "data.mdb" if path.is_dir() else path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class Handles:
    """Open files of this process, the least recently used closed first. Safe to use from several threads."""

    def __init__(self, limit: int = _OPEN_AT_ONCE) -> None:
        self._open: LastUsed[Path, tuple[object, Any]] = LastUsed(limit)  # state of the file, and handle
        self._lock = threading.Lock()

    def use(self, path: Path, opener: Callable[[Path], H], work: Callable[[H], T]) -> T:
        """Call `work` with the open file, in one thread at a time. Open it first if it is not open or has changed."""
        with self._lock:
            state = file_state(path)
            found = self._open.get(path)
            if found is None or found[0] != state:
                self._close(self._open.pop(path))
                found = state, opener(path)
                self._close(*self._open.put(path, found))
            return work(found[1])

    @staticmethod
    def _close(*files: tuple[object, Any] | None) -> None:
        for each in files:
            if each is not None:
                each[1].close()

    def before_fork(self) -> None:
        """Close everything, and let no thread open anything until `after_fork`."""
        self._lock.acquire()
        self._close(*self._open.trim(0))

    def after_fork(self) -> None:
        """Let threads open files again, in the parent and in the child."""
        self._lock.release()


_handles = Handles()
# After a fork, a database must not be used, the position in a file is shared, and a decoder cannot be freed.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_handles.before_fork, after_in_parent=_handles.after_fork, after_in_child=_handles.after_fork
    )
