"""Read the frames of a video from the last to the first, in limited memory."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mixformer.video.random_access import FrameReader
from mixformer.video.reader import VideoFrame

MEMORY = 512 * 2**20
"""Largest number of bytes of RGB pixels in memory."""
_MOST = 256  # largest number of frames in a piece


def read_backward(path: str | Path, first: int, stop: int, memory: int = MEMORY) -> Generator[VideoFrame, None, None]:
    """Yield the frames from `stop - 1` down to `first`.

    They are decoded piece by piece, from the key frame before each piece. While one piece is used, the next is decoded.
    Frames that cannot be read are left out.

    Args:
        path: a video file or a folder of pictures.
        first: number of the last frame to yield.
        stop: number after the first one.
        memory: largest number of bytes of RGB pixels in memory.

    Raises:
        SourceError: if the source cannot be opened.

    Example:
        >>> from mixformer.annotation.backward import read_backward
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> [frame.index for frame in read_backward(DEMO_CLIP, 3, 6)]
        [5, 4, 3]
    """
    reader = FrameReader(path, cache_bytes=0)
    try:
        last = (frame for number in range(stop - 1, first - 1, -1) for frame in _piece(reader, number, number + 1))
        size = next((frame.image.nbytes for frame in last), 1)
        length = max(1, min(memory // (2 * size), _MOST))
        with ThreadPoolExecutor(1, "backward") as threads:
            end = stop
            waiting = threads.submit(_piece, reader, max(first, end - length), end)
            while end > first:
                found, end = waiting.result(), max(first, end - length)
                waiting = threads.submit(_piece, reader, max(first, end - length), end)
                while found:
                    yield found.pop()
    finally:
        reader.close()


def _piece(reader: FrameReader, first: int, stop: int) -> list[VideoFrame]:
    found = []
    for number in range(first, stop):
        try:
            found.append(reader[number])
        except IndexError:  # it does not exist or cannot be read
            continue
    return found
