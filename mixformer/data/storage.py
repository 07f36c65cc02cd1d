"""Where a data set's files are: a folder, a zip file or an LMDB database, all addressed by keys with `/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mixformer.data.frame_storage import ArchiveFrame, FrameRef, read_bytes, use_archive
from mixformer.errors import DataError


class Store(Protocol):
    """Files by key. A key is a relative path with `/`, whatever the system."""

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
        """Names of the folders and of the files directly in `folder` ("" is the top), sorted; empty if it is none."""
        ...


@dataclass(frozen=True)
class FolderStore:
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
        return [name for name, inner in found if inner], [name for name, inner in found if not inner]


@dataclass(frozen=True)
class ArchiveStore:
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


def open_store(root: Path) -> Store:
    """The store at a path: a zip file, the folder or file of a database, or a plain folder.

    Raises:
        DataError: if there is nothing, or something else.
        MissingDependencyError: for a database without `lmdb` installed.
    """
    is_file = root.is_file() and root.suffix.lower() in (".zip", ".mdb", ".lmdb")
    if is_file or (root / "data.mdb").is_file():
        store = ArchiveStore(root)
        store.listing("")  # an archive that cannot be opened is an error now
        return store
    if not root.is_dir():
        raise DataError(f"{root} is neither a folder nor a zip file nor an LMDB database")
    return FolderStore(root)


def stores(root: Path, depth: int = 2) -> list[Store]:
    """The store at a path and, for a plain folder, those of the zip files in it and (`depth` 2) in the folders in it.

    Raises:
        DataError: as `open_store`.
    """
    store = open_store(root)
    levels = range(depth) if isinstance(store, FolderStore) else ()
    return [store, *(ArchiveStore(path) for level in levels for path in sorted(root.glob("*/" * level + "*.zip")))]


def find_folders(store: Store, marker: str, depth: int, below: str = "") -> Iterator[str]:
    """Folders with a file called `marker`, at most `depth` levels down, in name order; none inside one another."""
    folders, files = store.listing(below)
    if marker in files:
        yield below
    elif depth:
        for name in folders:
            yield from find_folders(store, marker, depth - 1, f"{below}/{name}" if below else name)


def read_text(store: Store, key: str) -> str | None:
    """A text file of a store, or None if there is none.

    Raises:
        DataError: if it is not text.
    """
    data = store.read(key)
    try:
        return None if data is None else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{store.root}: {key} is not a text file: {error}") from error
