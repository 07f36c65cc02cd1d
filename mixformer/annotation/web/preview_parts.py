"""Encode parts of a video as small streams with a key frame every few frames, so that any frame is found quickly."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np

from mixformer.imaging.containers import upright
from mixformer.types import Image
from mixformer.video.feed import RawFrame

_SHORT, _LONG = 64, 256  # limits of the number of frames in a part
_OPTIONS = {"preset": "ultrafast", "tune": "fastdecode", "crf": "24", "g": "8", "bf": "0", "sc_threshold": "0"}


@dataclass(frozen=True)
class Part:
    """Successive frames, each as a packet of H.264. One thread may add frames while others read."""

    numbers: list[int] = field(default_factory=list)  # of the frames, rising
    packets: list[bytes] = field(default_factory=list)  # one for each frame; the last ones may still be on their way
    keys: list[int] = field(default_factory=list)  # indices of the key frames

    def image(self, number: int) -> Image | None:
        """Return a frame as RGB uint8 (H, W, 3), or None if the part does not hold it."""
        place = bisect_right(self.numbers, number) - 1
        if place < 0 or self.numbers[place] != number or place >= len(self.packets):
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


def encode_part(frames: Iterable[tuple[int, Any]], part: Part) -> None:
    """Add numbered frames of `small_frame`, all of one size, to an empty part, in the given order."""
    codec: Any = None
    for number, frame in frames:
        codec = codec or _encoder(frame)
        frame.pts, frame.pict_type = len(part.numbers), 0  # the encoder chooses the type
        part.numbers.append(number)
        _add(part, codec.encode(frame))
    _add(part, codec.encode(None) if codec else [])


def small_frame(raw: RawFrame, width: int) -> Any:
    """Return a frame as FFmpeg's, upright, at most `width` pixels wide, with even sides.

    The usual kind stays in its own colors, which takes a third of the time of the way through RGB.
    """
    coded = raw.coded
    if coded is None or coded.format.name != "yuv420p" or getattr(coded, "rotation", 0):
        image = raw.picture() if coded is None else upright(coded, width)
        height, width = image.shape[:2]
        return av.VideoFrame.from_ndarray(image[: height // 2 * 2, : width // 2 * 2])
    scale = min(1.0, width / coded.width)
    return coded.reformat(*(max(2, round(side * scale) // 2 * 2) for side in (coded.width, coded.height)), "yuv420p")


def _add(part: Part, packets: list[Any]) -> None:
    for packet in packets:
        if packet.is_keyframe:
            part.keys.append(len(part.packets))
        part.packets.append(bytes(packet))


def _encoder(frame: Any) -> Any:
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = frame.width, frame.height, "yuv420p", Fraction(1, 25)
    if frame.format.name == codec.pix_fmt:  # otherwise the encoder converts it, in the way that the decoder expects
        codec.colorspace, codec.color_range = frame.colorspace, frame.color_range
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
