"""Read LMDB databases page by page, and check every number.

LMDB itself maps the file into memory and trusts it. There, a damaged page ends the process with a signal (SIGBUS,
SIGABRT) that no program can catch. The layout is that of LMDB 0.9: a tree of pages with sorted keys. Long values have
pages of their own.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mixformer.errors import DataError

_META = struct.Struct("<II16xI4x40x4xH34xQQQ")  # magic, version; page size; flags and root; last page, transaction
_HEADER = struct.Struct("<QHHHH")  # page number, (unused), kind, end of the list of nodes, (unused)
_NODE = struct.Struct("<HHHH")  # low and high half of a size, or of a page number; flags; length of the key
_OVERFLOW = struct.Struct("<QHHI")  # page number, (unused), kind, number of pages
_MAGIC, _VERSION, _EMPTY = 0xBEEFC0DE, 1, 2**64 - 1
_BRANCH, _LEAF, _LONG = 1, 2, 4  # kinds of pages
_ELSEWHERE, _NESTED = 1, 6  # flags of nodes
_PAGE_SIZES = {2**power for power in range(9, 17)}
_DEEPEST, _KEPT = 32, 256  # levels of a tree; pages that stay in memory


class _Page(NamedTuple):
    """A page of the tree: sorted keys, and for each its child (a page number) or its value."""

    leaf: bool
    keys: list[bytes]
    values: list[tuple[int, bytes | None]]  # page number or length, and the value if it lies here


class LmdbArchive:
    """An LMDB database whose keys are paths with `/` and whose values are the bytes of files."""

    def __init__(self, path: Path) -> None:
        """Raises DataError if this is not an LMDB database, or a part of it is missing."""
        self.path, self._page = path, lru_cache(_KEPT)(self._read_page)
        try:
            self._file = (path / "data.mdb" if path.is_dir() else path).open("rb")
        except OSError as error:
            raise DataError(f"cannot open {path} as an LMDB database: {error}") from error
        try:
            self._page_size, self._root, self._last = self._begin()
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> tuple[int, int, int]:
        """Read the page size, the root and the last page of the newest state."""
        metas = [self._meta(0)]
        metas += [self._meta(metas[0][2])] if metas[0] and metas[0][2] in _PAGE_SIZES else []
        good = [meta for meta in metas if meta and meta[0] == _MAGIC]
        if len(good) < 2 or good[0][2] != good[1][2]:
            raise DataError(
                f"cannot open {self.path}: it is not an LMDB database, or its start is damaged; copy it again"
            )
        _, version, page_size, flags, root, last, _ = max(good, key=lambda meta: meta[-1])
        if version != _VERSION or flags:
            raise DataError(f"cannot open {self.path}: LMDB databases of this kind are not supported")
        size = self._file.seek(0, 2)
        if size < (whole := (last + 1) * page_size):
            raise DataError(
                f"{self.path} is cut off: it has {size} of {whole} bytes; download or copy it again "
                "(if only unused pages are missing, `mdb_copy -c` makes a database that can be read)"
            )
        return page_size, root, last

    def _meta(self, place: int) -> tuple[int, ...] | None:
        data = self._bytes(place + 16, _META.size)
        return _META.unpack(data) if len(data) == _META.size else None

    def _bytes(self, place: int, count: int) -> bytes:
        try:
            self._file.seek(place)
            return self._file.read(count)
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            raise DataError(f"cannot read {self.path}: {error}") from error

    def _damaged(self) -> DataError:
        return DataError(f"cannot read {self.path} as an LMDB database: a page is damaged; download or copy it again")

    def _read_page(self, number: int) -> _Page:
        """A page of the tree, checked."""
        data = self._bytes(number * self._page_size, self._page_size) if 1 < number <= self._last else b""
        try:
            return _parse(data, number)
        except (struct.error, ValueError) as error:
            raise self._damaged() from error

    def _leaves(self, begin: bytes, number: int, depth: int = 0) -> Iterator[tuple[_Page, int]]:
        """Yield leaf pages and the index of their first wanted key, from the first key at or after `begin`."""
        page = self._page(number)
        if depth > _DEEPEST:
            raise self._damaged()
        if page.leaf:
            yield page, bisect_left(page.keys, begin)
            return
        # The first key of a branch is empty. A child holds the keys from its own key to before the next one.
        first = max(0, bisect_left(page.keys, begin + b"\0") - 1)
        for child, _ in page.values[first:]:
            yield from self._leaves(begin, child, depth + 1)

    def _from(self, begin: bytes) -> Iterator[tuple[bytes, tuple[int, bytes | None]]]:
        """Yield keys and values in order, from the first key at or after `begin`."""
        before: bytes | None = None
        for number, (page, place) in enumerate(self._leaves(begin, self._root) if self._root != _EMPTY else ()):
            if number and place:  # only the first page may hold earlier keys; else a few pages could lead on for ever
                raise self._damaged()
            for key, value in zip(page.keys[place:], page.values[place:], strict=True):
                if before is not None and key <= before:
                    raise self._damaged()
                yield key, value
                before = key

    def read(self, key: str) -> bytes | None:
        """Bytes of an entry, or None if there is none of that name; raises DataError if the database is damaged."""
        wanted = key.encode("utf-8", "surrogateescape")
        found, (number, value) = next(self._from(wanted), (b"", (0, None))) if wanted else (b"", (0, None))
        if not wanted or found != wanted:
            return None
        return self._long(*divmod(number, 2**32)) if value is None else value

    def _long(self, number: int, length: int) -> bytes:
        """Read a value that has pages of its own."""
        place = number * self._page_size
        head = self._bytes(place, _OVERFLOW.size) if 1 < number <= self._last else b""
        if len(head) == _OVERFLOW.size:
            at, _, kind, pages = _OVERFLOW.unpack(head)
            if at == number and kind & _LONG and _OVERFLOW.size + length <= pages * self._page_size:
                value = self._bytes(place + _OVERFLOW.size, length)
                if number + pages <= self._last + 1 and len(value) == length:
                    return value
        raise self._damaged()

    def listing(self, folder: str) -> tuple[list[str], list[str]]:
        """Sorted names of the folders and files directly in `folder`; raises DataError if the database is damaged."""
        prefix = f"{folder}/".encode() if folder else b""
        folders: list[str] = []
        files: list[str] = []
        keys = self._from(prefix)
        while (entry := next(keys, None)) is not None and entry[0].startswith(prefix):
            name, slash, _ = entry[0][len(prefix) :].partition(b"/")
            if name == b"..":
                raise DataError(f"cannot use {self.path}: an entry leads to another folder, as in no data set")
            (folders if slash else files).append(name.decode("utf-8", "replace"))
            keys = self._from(prefix + name + b"0") if slash else keys  # "0" follows "/"
        return folders, files

    def close(self) -> None:
        """Close the database."""
        self._file.close()


def _parse(data: bytes, number: int) -> _Page:
    """Read the nodes of a page; raises ValueError or struct.error if they are damaged."""
    at, _, kind, end, _ = _HEADER.unpack_from(data)
    leaf = bool(kind & _LEAF)
    if at != number or (kind & ~0x10) not in (_BRANCH, _LEAF) or not _HEADER.size <= end <= len(data) or end % 2:
        raise ValueError
    keys: list[bytes] = []
    values: list[tuple[int, bytes | None]] = []
    for place in struct.unpack_from(f"<{(end - _HEADER.size) // 2}H", data, _HEADER.size):
        low, high, flags, length = _NODE.unpack_from(data, place)
        begin = place + _NODE.size + length
        keys.append(data[place + _NODE.size : begin])
        size = low | high << 16
        if place < end or begin > len(data) or (leaf and flags & _NESTED):
            raise ValueError
        if not leaf:
            values.append((size | flags << 32, None))
        elif flags & _ELSEWHERE:
            (page,) = struct.unpack_from("<Q", data, begin)
            values.append(((page << 32) | size, None))
        elif begin + size > len(data):
            raise ValueError
        else:
            values.append((size, data[begin : begin + size]))
    if not keys or any(first >= second for first, second in pairwise(keys[0 if leaf else 1 :])):
        raise ValueError
    return _Page(leaf, keys, values)
