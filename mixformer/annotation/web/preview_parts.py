"""Encode parts of a video as small streams with a key frame every few frames, so that any frame is found quickly."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np

from mixformer.types import Image

_SHORT, _LONG = 64, 256  # limits of the number of frames in a part
_OPTIONS = {"preset": "superfast", "tune": "fastdecode", "crf": "24", "g": "8", "bf": "0", "sc_threshold": "0"}


@dataclass(frozen=True)
class Part:
    """Successive frames, each as a packet of H.264."""

    numbers: list[int]  # of the frames, rising
    packets: list[bytes]  # one for each frame
    keys: list[int]  # indices of the key frames

    def image(self, number: int) -> Image | None:
        """Return a frame as RGB uint8 (H, W, 3), or None if the part does not hold it."""
        place = bisect_right(self.numbers, number) - 1
        if place < 0 or self.numbers[place] != number:
            return None
        codec: Any = av.CodecContext.create("h264", "r")
        codec.thread_count = 1
        begin = self.keys[bisect_right(self.keys, place) - 1]
        frames = [frame for data in self.packets[begin : place + 1] for frame in codec.decode(av.Packet(data))]
        frames += codec.decode(None)
        if len(frames) != place + 1 - begin:
            return None
        image: Image = frames[-1].to_ndarray(format="rgb24")
        return image

    def content(self) -> bytes:
        """Return the part as bytes, for `part_of`."""
        head = [len(self.numbers), len(self.keys), *self.numbers, *map(len, self.packets), *self.keys]
        return np.array(head, "<i4").tobytes() + b"".join(self.packets)


def part_of(content: bytes) -> Part:
    """Read a part from its bytes."""
    count, keys = np.frombuffer(content, "<i4", 2).tolist()
    head = np.frombuffer(content, "<i4", 2 + 2 * count + keys).tolist()
    ends = (np.cumsum([0, *head[2 + count : 2 + 2 * count]]) + 4 * len(head)).tolist()
    packets = [content[first:stop] for first, stop in pairwise(ends)]
    return Part(head[2 : 2 + count], packets, head[2 + 2 * count :])


def encode_part(images: Iterable[tuple[int, Image]]) -> Part:
    """Encode numbered pictures of one size with even sides, in the given order."""
    codec: Any = None
    numbers: list[int] = []
    packets: list[Any] = []
    for number, image in images:
        codec = codec or _encoder(image.shape[1], image.shape[0])
        frame = av.VideoFrame.from_ndarray(image)
        frame.pts = len(numbers)
        numbers.append(number)
        packets += codec.encode(frame)
    packets += codec.encode(None) if codec else []
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    return Part(numbers, [bytes(packet) for packet in packets], keys)


def _encoder(width: int, height: int) -> Any:
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuv420p", Fraction(1, 25)
    codec.options, codec.thread_count = _OPTIONS, 1
    return codec


def part_starts(keys: list[int], count: int) -> list[int]:
    """Choose the first frame of each part of a video: key frames, unless they are too close or too far apart."""
    starts = [0]
    for key in [*keys, count]:
        while key - starts[-1] > _LONG:
            starts.append(starts[-1] + _LONG)
        if key - starts[-1] >= _SHORT and key < count:
            starts.append(key)
    return starts
