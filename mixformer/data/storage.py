"""Storage of a data set's files: a folder, a zip file or an LMDB database, all addressed by keys with `/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mixformer.data.frame_storage import ArchiveFrame, FrameRef, read_bytes, use_archive
from mixformer.errors import DataError, shown
from mixformer.files import decode, path_kind

_LONGEST_TEXT = 16 * 2**20  # bytes of an annotation of one sequence


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
        return path_below(self.root, key, self.root)

    def read(self, key: str) -> bytes | None:
        """Bytes of a file, or None if there is none of that name."""
        path = path_below(self.root, key, self.root)
        return read_bytes(path) if path_kind(path) == "file" else None

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder`, sorted."""
        try:
            with os.scandir(path_below(self.root, folder or ".", self.root)) as entries:
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

    Raises DataError if there is nothing, or something else.
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
    if data is not None and len(data) > _LONGEST_TEXT:
        place = describe_key(storage, key)
        raise DataError(
            f"{place} has {len(data) / 2**20:.0f} MB, which no annotation of a sequence has; replace the file"
        )
    return None if data is None else decode(data)


def path_below(folder: Path, name: object, source: Path) -> Path:
    """Path of a file that an annotation names, which must not lead out of a folder. Links in the folder are followed.

    Args:
        folder: where it must lie.
        name: its relative path.
        source: the annotation, for the message.

    Raises:
        DataError: if it is no name, or leads out of the folder, so that others' annotations read nothing else.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{source} names a file {shown(name)}, which is no file name")
    if os.path.isabs(name) or os.path.splitdrive(name)[0] or os.path.normpath(name).split(os.sep)[0] == os.pardir:
        raise DataError(f"{source} names {name}, which is not below {folder}; move the file there, or put a link there")
    return folder / name
