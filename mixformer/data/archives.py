"""Zip files and LMDB databases, read by the name of an entry."""

from __future__ import annotations

import zipfile
from bisect import bisect_left
from pathlib import Path

from mixformer.errors import DataError
from mixformer.optional import load


class ZipArchive:
    """A zip file. Its table of contents (about 0.6 KB an entry) is held in memory while it is open."""

    def __init__(self, path: Path) -> None:
        """Raises DataError if this is not a readable zip file."""
        try:
            self._file = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot open {path} as a zip file: {error}; is the download complete?") from error
        self.path = path
        self._names: list[str] = []

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, or None if there is none of that name."""
        try:
            return self._file.read(key)
        except KeyError:
            return None
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise DataError(f"cannot read {key} of {self.path}: {error}") from error

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder`, each sorted."""
        if not self._names:
            self._names = sorted(self._file.namelist())
        return list_sorted(self._names, folder)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def list_sorted(names: list[str], folder: str) -> tuple[list[str], list[str]]:
    """Folders and files directly in `folder` of a sorted list of names; folders are skipped over, not walked."""
    prefix = f"{folder}/" if folder else ""
    folders, files = [], []
    at = bisect_left(names, prefix)
    while at < len(names) and names[at].startswith(prefix):
        name, slash, _ = names[at][len(prefix) :].partition("/")
        if slash:
            folders.append(name)
            at = bisect_left(names, f"{prefix}{name}0", at)  # "0" follows "/"
        else:
            files += [name] if name else []
            at += 1
    return folders, files


class LmdbArchive:
    """An LMDB database whose keys are paths with `/` and whose values are the bytes of files."""

    def __init__(self, path: Path) -> None:
        """Raises DataError if this is not an LMDB database, MissingDependencyError without `lmdb` installed."""
        lmdb = load("lmdb", "an LMDB database")
        self.path = path
        try:
            self._environment = lmdb.open(
                str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, meminit=False, create=False
            )
        except lmdb.Error as error:
            raise DataError(f"cannot open {path} as an LMDB database: {error}; pack or download it again") from error

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, or None if there is none of that name."""
        with self._environment.begin() as transaction:
            value = transaction.get(key.encode())
        return None if value is None else bytes(value)

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder`, each sorted; folders are skipped over."""
        prefix = f"{folder}/".encode() if folder else b""
        folders: list[str] = []
        files: list[str] = []
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(prefix) if prefix else cursor.first()
            while found and cursor.key().startswith(prefix):
                name, slash, _ = cursor.key()[len(prefix) :].partition(b"/")
                (folders if slash else files).append(name.decode())
                found = cursor.set_range(prefix + name + b"0") if slash else cursor.next()
        return folders, files

    def close(self) -> None:
        """Close the database."""
        self._environment.close()
