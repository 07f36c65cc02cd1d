"""Read text, CSV, JSON and numbers that others wrote.

Any fault of an input becomes one error of the kind that the caller names.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import select
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.errors import DataError, MixFormerError, shown
from mixformer.types import FloatArray

Problem = type[MixFormerError]
"""The class of the error to raise."""

LARGEST_SETTINGS = 64 * 2**20
"""Bytes of a file of settings, far more than any needs."""
LARGEST_ANNOTATION = 4 * 2**30
"""Bytes of an annotation file; the largest public one has 0.5 GB."""
_DEEPEST = 64  # objects and lists inside one another; no file of ours needs ten
_MOST_DIGITS = 20  # of a whole number: 64 bits
_PATIENCE = 10  # seconds until a pipe has something to read
_CHECKED = 16 * 2**20  # letters; the parser's own limit of depth guards larger texts
_pipes: dict[tuple[int, int], bytes] | None = None  # content by device and number; None: it is not kept


def read_text_file(path: str | Path, error: Problem = DataError, limit: int = LARGEST_ANNOTATION) -> str:
    """Read a text file of at most `limit` bytes as UTF-8; a byte order mark is dropped.

    Raises `error` if the file is missing, cannot be read, is too large or in another encoding: a label in which letters
    are replaced would be another label.
    """
    try:
        data = _bytes_of(Path(path), limit)
    except (OSError, ValueError) as problem:
        raise error(f"cannot read {path}: {problem}") from problem
    except MemoryError as problem:
        raise error(f"cannot read {path}: it does not fit into memory") from problem
    if b"\0" in data[:1024]:
        raise error(f"cannot read {path}: it is no text in UTF-8; check the name, or save it again as UTF-8")
    if len(data) > limit:
        raise error(f"cannot read {path}: it has more than {limit / 2**20:.0f} MB, so it is not what is meant here")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise error(f"cannot read {path}: line {line} is no text in UTF-8; save it again as UTF-8") from problem


def _bytes_of(path: Path, limit: int) -> bytes:
    """Return the bytes of a file, at most one more than `limit`; of a file that is no text, the first ones."""
    look = path.stat()
    mark = None if stat.S_ISREG(look.st_mode) else (look.st_dev, look.st_ino)
    if _pipes is not None and mark in _pipes:
        return _pipes[mark]
    with _open(path) as file:
        head = file.peek(1024)[:1024]
        data = head if b"\0" in head else file.read(limit + 1)
    if _pipes is not None and mark is not None and len(data) <= limit:  # not what is cut
        _pipes[mark] = data
    return data


@contextmanager
def pipes_kept() -> Iterator[None]:
    """Keep what pipes gave, so that one that is named once can be read several times, as a file can."""
    global _pipes
    _pipes = {}
    try:
        yield
    finally:
        _pipes = None


def _open(path: Path) -> io.BufferedReader:
    """Open a file; a pipe that nobody writes into is a TimeoutError, since reading it would never end."""
    if os.name != "posix" or not stat.S_ISFIFO(path.stat().st_mode):
        return path.open("rb")
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not select.select([number], [], [], _PATIENCE)[0]:
        os.close(number)
        raise TimeoutError(f"nobody wrote into this pipe for {_PATIENCE} seconds; start its writer first")
    os.set_blocking(number, True)
    return os.fdopen(number, "rb")


def read_csv_file(path: str | Path) -> list[list[str]]:
    """Read the rows of a CSV file, without the empty ones; see `read_text_file` and `parse_csv`."""
    return parse_csv(read_text_file(path, DataError, LARGEST_SETTINGS), path)


def parse_csv(text: str, name: object, error: Problem = DataError, separator: str = ",") -> list[list[str]]:
    """Split CSV text into rows, without the empty ones. Raises `error`, which calls it `name`, if it is no CSV."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    except csv.Error as problem:
        raise error(f"{name} is not readable CSV: {problem}") from problem


def decode(data: bytes) -> str:
    """Decode UTF-8; other bytes are replaced, and a byte order mark is dropped."""
    return data.decode("utf-8-sig", "replace")


def read_json_file(path: str | Path, error: Problem = DataError, limit: int = LARGEST_SETTINGS) -> Any:
    """Read a JSON file; see `read_text_file` and `parse_json`."""
    return parse_json(read_text_file(path, error, limit), path, error)


def parse_json(text: str | bytes, name: object, error: Problem = DataError) -> Any:
    """Parse JSON that is at most 64 deep. `NaN` is read, since many programs write it for what is not known.

    Raises `error`, which calls it `name`, if it is no JSON, or holds a key twice in one object, infinity, or a number
    that is too long or too large.
    """
    try:
        text = decode(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")
        value = json.loads(
            text,
            parse_int=_whole_number,
            parse_float=_finite_number,
            parse_constant=_finite_number,
            object_pairs_hook=_object,
        )
        if len(text) <= _CHECKED:
            _require_shallow(value)
    except RecursionError:
        raise error(f"{name} is not readable JSON: it is nested more than {_DEEPEST} deep") from None
    except MemoryError:
        raise error(f"{name} is not readable JSON: it does not fit into memory") from None
    except ValueError as problem:
        raise error(f"{name} is not readable JSON: {problem}") from problem
    return value


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"the number {digits[:10]}... has {len(digits)} digits; {_MOST_DIGITS} are read")
    return int(digits)


def _finite_number(digits: str) -> float:
    value = float(digits)  # also of the words of Python's own writer, such as -Infinity
    if math.isinf(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def first_twice(names: Iterable[str]) -> str | None:
    """Return the first name that is there for the second time; None if each is there once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, without a choice among several values of one key."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = first_twice(name for name, _ in pairs)
        raise ValueError(f"the key {shown(twice, 60)} is there twice in one object; keep one of them")
    return made


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise RecursionError


def as_numbers(value: Any, columns: int, name: object) -> FloatArray:
    """Convert a list of rows to float64 (n, `columns`). A row may be None, which becomes NaN.

    Raises DataError, which calls it `name`, if a row is no list of so many numbers; NaN and infinity are numbers here.
    """
    if not isinstance(value, list | tuple):
        raise DataError(f"{name}: expected a list of rows with {columns} numbers, not {value!r:.60}")
    rows = np.full((len(value), columns), np.nan)
    for number, row in enumerate(value):
        if row is None:
            continue
        if not isinstance(row, list | tuple) or len(row) != columns or not all(map(_is_number, row)):
            raise DataError(f"{name}, row {number}: expected {columns} numbers, not {row!r:.60}")
        rows[number] = row
    return rows


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that a float can hold."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64)
