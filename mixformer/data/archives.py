"""Zip files and LMDB databases, read by the name of an entry."""

from __future__ import annotations

import struct
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixformer.errors import DataError
from mixformer.optional import load

_DAMAGED = (
    OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError, struct.error,
    OverflowError, MemoryError,
)  # fmt: skip
_UNPACKED, _RATIO = 64 * 2**20, 100  # an entry of more bytes than this must not be so many times its packed size
_META = struct.Struct("<II Q Q I 44x 48x Q Q")  # magic, version, address, map size, page size, last page, transaction
_PAGE_SIZES = {2**power for power in range(9, 17)}
_META_MAGIC, _PAGE_HEADER = 0xBEEFC0DE, 16


class ZipArchive:
    """A zip file. Its table of contents (about 0.6 KB an entry) is held in memory while it is open."""

    def __init__(self, path: Path) -> None:
        """Raises DataError if this is not a readable zip file."""
        try:
            self._file = zipfile.ZipFile(path)
        except _DAMAGED as error:
            raise DataError(f"cannot open {path} as a zip file: {error}; is the download complete?") from error
        self.path = path
        self._names: list[str] = []

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, or None if there is none of that name.

        Raises:
            DataError: if the entry is damaged, or unpacks to far more than it takes in the file.
        """
        try:
            entry = self._file.getinfo(key)
        except KeyError:
            return None
        if entry.file_size > max(_UNPACKED, _RATIO * entry.compress_size):
            sizes = f"{entry.compress_size / 1e6:.1f} MB unpack to {entry.file_size / 1e6:.0f} MB"
            raise DataError(f"cannot read {key} of {self.path}: {sizes}, which no picture or annotation does")
        try:
            return self._file.read(entry)
        except _DAMAGED as error:
            reason = f"{type(error).__name__}: {error}"
            raise DataError(f"cannot read {key} of {self.path}: {reason}; is the download complete?") from error

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
        self.path, self._error = path, lmdb.Error
        _require_whole(path / "data.mdb" if path.is_dir() else path, path)
        with self._told():
            self._environment = lmdb.open(
                str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, meminit=False, create=False
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn errors of the library into ours."""
        try:
            yield
        except (self._error, *_DAMAGED) as error:
            raise DataError(
                f"cannot read {self.path} as an LMDB database: {error}; download or copy it again"
            ) from error

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, or None if there is none of that name.

        Raises:
            DataError: if the database is damaged.
        """
        with self._told(), self._environment.begin() as transaction:
            value = transaction.get(key.encode("utf-8", "surrogateescape")) if key else None
        return None if value is None else bytes(value)

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in `folder`, each sorted; folders are skipped over.

        Raises:
            DataError: if the database is damaged.
        """
        prefix = f"{folder}/".encode() if folder else b""
        folders: list[str] = []
        files: list[str] = []
        with self._told(), self._environment.begin() as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(prefix) if prefix else cursor.first()
            while found and cursor.key().startswith(prefix):
                name, slash, _ = cursor.key()[len(prefix) :].partition(b"/")
                (folders if slash else files).append(name.decode())
                found = cursor.set_range(prefix + name + b"0") if slash else cursor.next()
        return folders, files

    def close(self) -> None:
        """Close the database."""
        self._environment.close()


def _require_whole(file: Path, shown: Path) -> None:
    """Require that a database's file holds all pages that it lists: to read one that is not there ends the process.

    Raises:
        DataError: if it is cut off, or no database.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            first = stream.read(_PAGE_HEADER + _META.size)
            pages = [first]
            if len(first) == _PAGE_HEADER + _META.size:
                stream.seek(_META.unpack_from(first, _PAGE_HEADER)[4])
                pages.append(stream.read(_PAGE_HEADER + _META.size))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot open {shown} as an LMDB database: {error}") from error
    metas = [_META.unpack_from(page, _PAGE_HEADER) for page in pages if len(page) == _PAGE_HEADER + _META.size]
    metas = [meta for meta in metas if meta[0] == _META_MAGIC]
    if len({meta[4] for meta in metas}) != 1 or metas[0][4] not in _PAGE_SIZES or len(metas) < len(pages):
        raise DataError(f"cannot open {shown} as an LMDB database: it is none, or its beginning is damaged")
    *_, page_size, last, _ = max(metas, key=lambda meta: meta[-1])
    if size < (last + 1) * page_size:
        raise DataError(
            f"{shown} is cut off: {size} of {(last + 1) * page_size} bytes are there; download or copy it again (if it "
            "is whole and merely ends in unused pages, `mdb_copy -c` makes a database that can be read)"
        )
