"""Keep tables of frames in the cache folder, so that an hour of MKV, TS or WebM is read only once."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

import numpy as np

from mixformer.engines.graph_cache import SUFFIX, keep, read_kept
from mixformer.errors import OutputError
from mixformer.optional import cache_folder
from mixformer.video.frame_table import FrameTable

log = logging.getLogger(__name__)

WORTH_KEEPING = 3000  # frames; shorter files are read quickly
_LIMIT = 256 * 2**20  # bytes of all tables
_HEAD = 64 * 1024  # bytes at the beginning of a file that identify it
_LAYOUT = "4"  # version of the cached content


def place_of_table(name: str) -> Path | None:
    """Return the cache file of a table, or None without a cache. It depends on the file's size, time and beginning.

    Ask before the file is read: one that grows meanwhile is another one afterwards.
    """
    folder, path = cache_folder("frames"), Path(name)
    if folder is None:
        return None
    try:
        status = path.stat()
        with path.open("rb") as file:
            head = hashlib.sha256(file.read(_HEAD)).hexdigest()
    except (OSError, ValueError):
        return None
    facts = (_LAYOUT, str(path.resolve()), status.st_size, status.st_mtime_ns, head)
    return folder / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}{SUFFIX}"


def kept_table(place: Path | None, number: int | None) -> FrameTable | None:
    """Return the cached table of a file if it holds frame `number`; None requires the table of the whole file."""
    content = None
    if place is not None:
        with suppress(OSError, ValueError):
            content = read_kept(place)
    if content is None:
        return None
    whole, first, begin, count, *rest = np.frombuffer(content, "<i8").tolist()
    times, keys = rest[:count], rest[count:]
    table = FrameTable(times, keys[: len(keys) // 2], first, begin, keys[len(keys) // 2 :])
    return table if whole or (number is not None and number < first + count) else None


def keep_table(place: Path | None, table: FrameTable, whole: bool) -> None:
    """Cache the table of a file, or of its beginning if not `whole`. A cache that cannot be written is no error."""
    if place is None or len(table.times) < WORTH_KEEPING:
        return
    spots = table.spots or [-1] * len(table.keys)
    values = [whole, table.first, table.begin, len(table.times), *table.times, *table.keys, *spots]
    try:
        keep(place, np.array(values, "<i8").tobytes(), _LIMIT)
    except (OSError, OutputError) as error:
        log.info("a frame index is not kept: %s", error)
