"""Read frames of a video file or a folder of pictures by their numbers, in any order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Self

from mixformer.errors import ConfigError
from mixformer.imaging.containers import upright
from mixformer.imaging.last_used import LastUsed
from mixformer.types import Image
from mixformer.video.feed import Decoder, RawFrame
from mixformer.video.frame_table import FrameTable
from mixformer.video.reader import VideoFrame, from_disk
from mixformer.video.seeking import NotWantedError
from mixformer.video.source_names import source_text
from mixformer.video.stream import Stream

_READ_ON = 64  # a frame at most this far ahead is reached by decoding, not by a seek, where key frames are unknown
_BEHIND = 8  # frames before the target of a seek that are kept, for steps backward
_BACKWARD = 64  # the same, for one who goes backward
_FAR = 2 * _BEHIND  # so far ahead, passing over frames that no other needs is worth losing them


class FrameReader:
    """Read frames by number, the same that `open_video` yields. Several threads may call it; one at a time reads.

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
            raise ConfigError(f"the cache must be a number of bytes, 0 or more, not {cache_bytes!r}")
        self._source = source_text(source)
        self._lock = threading.Lock()
        self._cache: LastUsed[int, RawFrame] = LastUsed(cache_bytes, attrgetter("size"))
        self.index: FrameTable | None = None  # of the whole file, for faster seeks; another reader may have made it
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
            self._cache.trim(0)
            self._frames = None

    def __getitem__(self, number: int) -> VideoFrame:
        """Return frame `number`, counted from 0.

        Raises:
            IndexError: if the source has no such frame, or it cannot be read.
        """
        return self.read(number)  # type: ignore[return-value]  # which is None only for those who change their mind

    def read(
        self, number: int, wanted: Callable[[], bool] | None = None, width: int | None = None
    ) -> VideoFrame | None:
        """Return a frame, as `reader[number]` does.

        Args:
            number: number of the frame, from 0.
            wanted: function that tells whether the caller still waits; if it returns False, the result is None.
            width: width in pixels to which the picture may be reduced, if that is quicker.
        """
        raw = self.raw(number, wanted)
        if raw is None:
            return None
        return VideoFrame(raw.index, raw.time, _picture(raw, width), raw.damaged)

    def key_picture(self, number: int, width: int | None = None) -> Image:
        """Return the picture of a key frame, for which most files decode no other frame; see `read`."""
        with self._lock:
            raw = self._cache.get(number)
            if raw is None and isinstance(self._decoder, Stream):
                self._decoder.table, self._frames = self.index, None
                raw = self._decoder.key_frame(number)
        return _picture(raw or self.raw(number), width)  # type: ignore[arg-type]  # nobody changes his mind here

    def raw(self, number: int, wanted: Callable[[], bool] | None = None) -> RawFrame | None:
        """Return a frame before its conversion to RGB; see `read`."""
        if number < 0:
            raise IndexError(f"{self._source} has no frame {number}; frames count from 0")
        with self._lock:
            raw = self._cache.get(number)
            if raw is None:
                if not self._is_ahead(number):
                    self._restart(number)
                raw = self._read_on(number, wanted)
            self._asked = number
        return raw

    def make_index(self) -> int | None:
        """Read the index of a whole file once, for faster seeks, and return the number of its frames.

        Returns None if the packets do not tell. It opens the file again, so another thread may call it.
        """
        if not isinstance(self._decoder, Stream):
            return self.frame_count
        table = self._decoder.read_index()
        self.index = table or self.index
        return None if table is None else table.first + len(table.times)

    def share_index(self, table: FrameTable | None) -> None:
        """Use the index that another reader of the same file has made."""
        self.index = table

    def limit_cache(self, cache_bytes: int) -> None:
        """Change the memory for recently read frames, in bytes."""
        self._cache.limit = cache_bytes
        if self._lock.acquire(blocking=False):  # otherwise a thread is reading a frame, and will apply the limit
            self._cache.trim(cache_bytes)
            self._lock.release()

    def _is_ahead(self, number: int) -> bool:
        """Tell whether decoding all frames on the way reaches a frame sooner than a seek."""
        if self._frames is None or number < self._next:
            return False
        key = self._key_before(number)
        if key is None:
            return number < self._next + _READ_ON
        return key <= self._next and (number < self._next + _FAR or not self._can_go_to(number - _BEHIND))

    def _can_go_to(self, begin: int) -> bool:
        """Tell whether the open decoder can go to a frame."""
        if not isinstance(self._decoder, Stream):
            return False
        self._decoder.table = self.index
        return self._frames is not None and self._decoder.can_go_to(begin)

    def _key_before(self, number: int) -> int | None:
        return self.index.key_number(number) if self.index else None

    def _restart(self, number: int) -> None:
        """Seek to a frame."""
        key = self._key_before(number)
        behind = _BACKWARD if 0 < self._asked - number <= _BACKWARD else _BEHIND
        begin = number if key is None else max(key, number - behind)
        if not self._can_go_to(begin):
            self._frames = None  # FFmpeg would read on from a closed file
            self._decoder.close()
            self._decoder = from_disk(self._source)
            self._can_go_to(begin)  # and has the table
        self._frames, self._next = self._decoder.frames(begin), begin

    def _read_on(self, number: int, wanted: Callable[[], bool] | None) -> RawFrame | None:
        wanted = wanted or (lambda: True)
        self._decoder.wanted = wanted
        frames, self._frames = self._frames, None  # after an error they do not go on
        try:
            for raw in frames or ():
                self._next = raw.index + 1
                if raw.index > number:
                    break
                self._cache.put(raw.index, raw)
                if raw.index == number or not wanted():
                    self._frames = frames
                    return raw if raw.index == number else None
        except NotWantedError:  # the decoder is on its way to another place
            return None
        raise IndexError(f"{self._source} has no readable frame {number}")


def _picture(raw: RawFrame, width: int | None) -> Image:
    return raw.picture() if width is None or raw.coded is None else upright(raw.coded, width)


def open_frames(source: str | Path, cache_bytes: int = 256 * 2**20) -> FrameReader:
    """Open a video file or a folder of pictures for reading in any order.

    To read a frame, all frames since the last key frame must be decoded. Recently read frames are kept.

    Args:
        source: a video file, a folder of pictures or a picture.
        cache_bytes: memory for recently read frames, in bytes of their decoded pixels, 0 or more.

    Raises:
        SourceError: if the source cannot be opened.
        ConfigError: if `cache_bytes` is no such number.

    Example:
        >>> from mixformer.video import open_frames
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> with open_frames(DEMO_CLIP) as frames:
        ...     frames[25].image.shape
        (360, 640, 3)
    """
    return FrameReader(source, cache_bytes)
