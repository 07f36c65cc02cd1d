"""Storage of a data set's files: a folder, a zip file or an LMDB database, all addressed by keys with `/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mixformer.data.frame_storage import ArchiveFrame, FrameRef, read_bytes, use_archive
from mixformer.errors import DataError
from mixformer.files import decode


class Storage(Protocol):
    """Files by key. A key is a relative path with `/` on every system."""

    @property
    def root(self) -> Path:
        """The folder or archive."""
        ...

    def frame(self, key: str) -> FrameRef:
        """Reference to a picture; it is not looked for."""
        ...

    def read(self, key: str) -> bytes | None:
        """Bytes of a file, or None if there is none of that name."""
        ...

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder` ("" is the top), sorted; or empty."""
        ...


@dataclass(frozen=True)
class FolderStorage:
    """Plain files below `root`."""

    root: Path

    def frame(self, key: str) -> Path:
        """Path of a picture."""
        return self.root / key

    def read(self, key: str) -> bytes | None:
        """Bytes of a file, or None if there is none of that name."""
        path = self.root / key
        return read_bytes(path) if path.is_file() else None

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder`, sorted."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = sorted((entry.name, entry.is_dir()) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return [], []
        except (OSError, ValueError) as error:
            raise DataError(f"cannot list {self.root / folder}: {error}") from error
        return [name for name, inner in found if inner], [name for name, inner in found if not inner]


@dataclass(frozen=True)
class ArchiveStorage:
    """The entries of a zip file or LMDB database."""

    root: Path

    def frame(self, key: str) -> ArchiveFrame:
        """Reference to an entry."""
        return ArchiveFrame(self.root, key)

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, or None if there is none of that name."""
        return use_archive(self.root, lambda archive: archive.read(key))

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the entries directly in `folder`, sorted."""
        return use_archive(self.root, lambda archive: archive.listing(folder))


def open_storage(root: Path) -> Storage:
    """The storage at a path: a zip file, the folder or file of a database, or a plain folder.

    Raises DataError if there is nothing, or something else, and MissingDependencyError for a database without `lmdb`
    installed.
    """
    is_file = root.is_file() and root.suffix.lower() in (".zip", ".mdb", ".lmdb")
    if is_file or (root / "data.mdb").is_file():
        storage = ArchiveStorage(root)
        storage.listing("")  # an archive that cannot be opened is an error now
        return storage
    if not root.is_dir():
        raise DataError(f"{root} is neither a folder nor a zip file nor an LMDB database; give one of these")
    return FolderStorage(root)


def find_storages(root: Path, depth: int = 2) -> list[Storage]:
    """The storage at a path and, for a plain folder, those of the zip files in it and (`depth` 2) in the folders in it.

    Raises DataError as `open_storage`.
    """
    storage = open_storage(root)
    levels = range(depth) if isinstance(storage, FolderStorage) else ()
    return [storage, *(ArchiveStorage(path) for level in levels for path in sorted(root.glob("*/" * level + "*.zip")))]


def find_folders(storage: Storage, marker: str, depth: int, below: str = "") -> Iterator[str]:
    """Folders with a file called `marker`, at most `depth` levels down, in name order; none inside one another."""
    folders, files = storage.listing(below)
    if marker in files:
        yield below
    elif depth:
        for name in folders:
            yield from find_folders(storage, marker, depth - 1, f"{below}/{name}" if below else name)


def describe_key(storage: Storage, key: str) -> str:
    """A file or folder of a storage as a person would write it."""
    return f"{storage.root}{'/' if storage.root.is_dir() else ':'}{key}" if key else str(storage.root)


def read_text(storage: Storage, key: str) -> str | None:
    """A text file of a storage, or None if there is none. Bytes that are no UTF-8 are replaced."""
    data = storage.read(key)
    return None if data is None else decode(data)
