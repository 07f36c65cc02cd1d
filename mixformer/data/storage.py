"""Storage of a data set's files: a folder, a zip file or an LMDB database. Keys with `/` address the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mixformer.data.frame_storage import ArchiveFrame, read_bytes, use_archive
from mixformer.errors import DataError, shown
from mixformer.files import decode, path_kind

_LONGEST_TEXT = 16 * 2**20  # largest annotation of one sequence in bytes


@dataclass(frozen=True)
class FolderStorage:
    """Plain files below `root`, by keys: relative paths with `/` on every system."""

    root: Path

    def frame(self, key: str) -> Path:
        """Path of a picture, whether it exists or not."""
        return path_below(self.root, key, self.root)

    def read(self, key: str) -> bytes | None:
        """Bytes of a file, or None if there is none of that name."""
        path = path_below(self.root, key, self.root)
        return read_bytes(path) if path_kind(path) == "file" else None

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Sorted names of the folders and of the files directly in `folder`; "" is the top."""
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
        """Sorted names of the folders and of the entries directly in `folder`; "" is the top."""
        return use_archive(self.root, lambda archive: archive.listing(folder))


Storage = FolderStorage | ArchiveStorage


def open_storage(root: Path) -> Storage:
    """Open a zip file, an LMDB database (its folder or file) or a plain folder; raises DataError for anything else."""
    is_file = root.is_file() and root.suffix.lower() in (".zip", ".mdb", ".lmdb")
    if is_file or (root / "data.mdb").is_file():
        storage = ArchiveStorage(root)
        storage.listing("")  # report an unreadable archive now
        return storage
    if not root.is_dir():
        raise DataError(f"{root} is neither a folder nor a zip file nor an LMDB database; give one of these")
    return FolderStorage(root)


def find_storages(root: Path, depth: int = 2) -> list[Storage]:
    """Return the storage at a path and those of the zip files in a plain folder, with `depth` 2 also in its folders."""
    storage = open_storage(root)
    levels = range(depth) if isinstance(storage, FolderStorage) else ()
    return [storage, *(ArchiveStorage(path) for level in levels for path in sorted(root.glob("*/" * level + "*.zip")))]


def find_folders(storage: Storage, marker: str, depth: int, below: str = "") -> Iterator[str]:
    """Yield the outermost folders that hold a file called `marker`, in name order, at most `depth` levels down."""
    folders, files = storage.listing(below)
    if marker in files:
        yield below
    elif depth:
        for name in folders:
            yield from find_folders(storage, marker, depth - 1, f"{below}/{name}" if below else name)


def describe_key(storage: Storage, key: str) -> str:
    """Write the place of a file or folder for a message."""
    return f"{storage.root}{'/' if storage.root.is_dir() else ':'}{key}" if key else str(storage.root)


def read_text(storage: Storage, key: str) -> str | None:
    """Read a text file of a storage; None if there is no such file. Bytes that are not UTF-8 are replaced."""
    data = storage.read(key)
    if data is not None and len(data) > _LONGEST_TEXT:
        size = f"{len(data) / 2**20:.0f} MB"
        raise DataError(f"{describe_key(storage, key)} has {size}, too much for an annotation; replace the file")
    return None if data is None else decode(data)


def path_below(folder: Path, name: object, source: Path) -> Path:
    """Return the path of a file in `folder` that the annotation `source` names; links inside the folder are followed.

    Raises DataError if it is not a name, or is outside of the folder. Annotations of others must not read other files.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{source} names a file {shown(name)}, which is not a file name; correct it")
    if os.path.isabs(name) or os.path.splitdrive(name)[0] or os.path.normpath(name).split(os.sep)[0] == os.pardir:
        raise DataError(f"{source} names {name}, which is not below {folder}; move the file there, or put a link there")
    return folder / name
