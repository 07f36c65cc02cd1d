"""Frames of a video file or a folder of pictures by their numbers, in any order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from mixformer.errors import ConfigError
from mixformer.video.feed import Decoder, RawFrame
from mixformer.video.frame_table import FrameTable
from mixformer.video.reader import VideoFrame, from_disk
from mixformer.video.source_names import source_text
from mixformer.video.stream import Stream

_READ_ON = 64  # frames ahead that are decoded rather than sought
_BEHIND = 8  # frames before a sought one that are kept for steps backward


class FrameReader:
    """Frames by number, exactly those that `open_video` gives. One thread at a time reads; several may ask.

    Example:
        >>> from mixformer.video import open_frames
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> with open_frames(DEMO_CLIP) as frames:
        ...     [frames[number].index for number in (40, 3, 41)]
        [40, 3, 41]
    """

    def __init__(self, source: str | Path, cache_bytes: int = 256 * 2**20) -> None:
        """Open a source; see `open_frames`."""
        if isinstance(cache_bytes, bool) or not isinstance(cache_bytes, int) or cache_bytes < 0:
            raise ConfigError(f"the cache is a number of bytes, 0 or more, not {cache_bytes!r}")
        self._source, self._limit, self._held = source_text(source), cache_bytes, 0
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, RawFrame] = OrderedDict()
        self._table: FrameTable | None = None
        self._decoder: Decoder = from_disk(self._source)
        self._frames: Iterator[RawFrame] | None = None
        self._next = self._asked = 0
        self.fps, self.frame_count = self._decoder.fps, self._decoder.count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and forget all frames."""
        with self._lock:
            self._decoder.close()
            self._cache.clear()
            self._frames, self._held = None, 0

    def __getitem__(self, number: int) -> VideoFrame:
        """Return frame `number`, counted from 0.

        Raises:
            IndexError: if the source has no such frame, or it cannot be read.
        """
        return self.read(number)  # type: ignore[return-value]  # which is None only for those who change their mind

    def read(
        self, number: int, wanted: Callable[[], bool] | None = None, width: int | None = None
    ) -> VideoFrame | None:
        """Return a frame, as `reader[number]` does, or None once `wanted` says that nobody waits for it any more.

        Its picture may be made smaller, down to `width`, where that is quicker.
        """
        if number < 0:
            raise IndexError(f"{self._source} has no frame {number}; frames count from 0")
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                raw: RawFrame | None = self._cache[number]
            else:
                if not self._is_ahead(number):
                    self._restart(number)
                raw = self._read_on(number, wanted)
            self._asked = number
        if raw is None:
            return None
        smaller = raw.smaller if width is not None else None
        return VideoFrame(raw.index, raw.time, smaller(width) if smaller and width else raw.picture())

    def make_index(self) -> int | None:
        """Read the index of a whole file once, for faster seeks, and return the number of its frames.

        Returns None where the packets do not tell. It reads through a container of its own: another thread may do it.
        """
        if not isinstance(self._decoder, Stream):
            return self.frame_count
        table = self._decoder.read_index()
        if table is not None:
            self.share_index(table)
        return None if table is None else table.first + len(table.times)

    def share_index(self, table: FrameTable | None) -> None:
        """Take the index that another reader of the same file has made."""
        self._table = table

    @property
    def index(self) -> FrameTable | None:
        """The index of the file, once it is made."""
        return self._table

    def limit_cache(self, cache_bytes: int) -> None:
        """Change the memory for frames that were read lately."""
        self._limit = cache_bytes
        if self._lock.acquire(blocking=False):  # a frame is being read otherwise, which keeps to it
            try:
                self._trim()
            finally:
                self._lock.release()

    def _is_ahead(self, number: int) -> bool:
        """Tell whether decoding goes on to a frame sooner than a seek would arrive there."""
        if self._frames is None or number < self._next:
            return False
        key = self._table.key_number(number) if self._table else None
        return number < self._next + _READ_ON if key is None else key <= self._next

    def _restart(self, number: int) -> None:
        """Seek to a frame with a decoder of its own, since the last one is somewhere else."""
        self._decoder.close()
        self._decoder = from_disk(self._source)
        if isinstance(self._decoder, Stream):
            self._decoder.table = self._table
        key = self._table.key_number(number) if self._table else None
        if key is None:
            begin = number
        elif 0 < self._asked - number <= _READ_ON:
            begin = key  # somebody goes backward: all frames from the key frame on will be asked for
        else:
            begin = max(key, number - _BEHIND)
        self._frames, self._next = self._decoder.frames(begin), begin

    def _read_on(self, number: int, wanted: Callable[[], bool] | None) -> RawFrame | None:
        for raw in self._frames or ():
            self._next = raw.index + 1
            if raw.index > number:
                break
            self._keep(raw)
            if raw.index == number:
                return raw
            if wanted is not None and not wanted():
                return None
        self._frames = None
        raise IndexError(f"{self._source} has no readable frame {number}")

    def _keep(self, raw: RawFrame) -> None:
        """Remember a frame, as it was decoded, and forget those that were not asked for the longest."""
        self._cache[raw.index] = raw
        self._held += raw.size
        self._trim()

    def _trim(self) -> None:
        while self._held > self._limit and self._cache:
            self._held -= self._cache.popitem(last=False)[1].size


def open_frames(source: str | Path, cache_bytes: int = 256 * 2**20) -> FrameReader:
    """Open a video file or a folder of pictures for reading in any order.

    A frame costs the decoding of those since the last key frame; neighbors that were read lately cost nothing.

    Args:
        source: a video file, a folder of pictures or a picture.
        cache_bytes: memory for frames that were read lately, in bytes of their pixels as they were decoded.

    Raises:
        SourceError: if it cannot be opened.
        ConfigError: if `cache_bytes` is no such number.

    Example:
        >>> from mixformer.video import open_frames
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> with open_frames(DEMO_CLIP) as frames:
        ...     frames[25].image.shape
        (360, 640, 3)
    """
    return FrameReader(source, cache_bytes)
