"""Frames of a video file or a folder of pictures by their numbers, in any order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mixformer.errors import ConfigError
from mixformer.video.feed import Decoder, RawFrame
from mixformer.video.reader import VideoFrame, from_disk
from mixformer.video.source_names import source_text

_READ_ON = 64  # frames ahead that are decoded rather than sought


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
        self._cache: OrderedDict[int, VideoFrame] = OrderedDict()
        self._decoder: Decoder = from_disk(self._source)
        self._frames: Iterator[RawFrame] | None = None
        self._next = 0
        self.fps, self.frame_count = self._decoder.fps, self._decoder.count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        if number < 0:
            raise IndexError(f"{self._source} has no frame {number}; frames count from 0")
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
            if self._frames is None or not self._next <= number < self._next + _READ_ON:
                self._restart(number)
            return self._read_on(number)

    def _restart(self, number: int) -> None:
        """Seek to a frame with a decoder of its own, since the last one is somewhere else."""
        self._decoder.close()
        self._decoder = from_disk(self._source)
        self._frames, self._next = self._decoder.frames(number), number

    def _read_on(self, number: int) -> VideoFrame:
        for raw in self._frames or ():
            self._next = raw.index + 1
            if raw.index > number:
                break
            frame = VideoFrame(raw.index, raw.time, raw.picture())
            self._keep(frame)
            if raw.index == number:
                return frame
        self._frames = None
        raise IndexError(f"{self._source} has no readable frame {number}")

    def _keep(self, frame: VideoFrame) -> None:
        """Remember a frame, and forget those that were not asked for the longest."""
        self._cache[frame.index] = frame
        self._held += frame.image.nbytes
        while self._held > self._limit and self._cache:
            self._held -= self._cache.popitem(last=False)[1].image.nbytes


def open_frames(source: str | Path, cache_bytes: int = 256 * 2**20) -> FrameReader:
    """Open a video file or a folder of pictures for reading in any order.

    A frame costs the decoding of those since the last key frame; neighbors that were read lately cost nothing.

    Args:
        source: a video file, a folder of pictures or a picture.
        cache_bytes: memory for frames that were read lately, in bytes of RGB pixels.

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
