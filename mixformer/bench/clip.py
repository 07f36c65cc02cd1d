"""The clip that candidates track: its frames in memory, and the time of reading it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixformer.errors import SourceError
from mixformer.types import Image
from mixformer.video.reader import open_video

LONGEST = 100  # frames kept: 600 MB at 1920 x 1080


@dataclass(frozen=True)
class Clip:
    """The beginning of a video.

    Attributes:
        path: where it came from.
        box: x, y, width, height of the target in the first frame.
        frames: RGB uint8 (H, W, 3).
    """

    path: Path
    box: tuple[float, ...]
    frames: Sequence[Image]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frames[0].shape[1], self.frames[0].shape[0]


def read_clip(path: Path, box: Sequence[float]) -> Clip:
    """Read at most `LONGEST` frames.

    Raises:
        SourceError: if it cannot be read or has fewer than two frames.
    """
    with open_video(path, stop=LONGEST) as video:
        frames = [frame.image for frame in video]
    if len(frames) < 2:
        raise SourceError(f"{path} has a single frame; tracking speed needs two or more")
    return Clip(path, tuple(box), frames)


def decode_time(clip: Clip) -> float:
    """Seconds per frame of reading the clip and nothing else, opening it included."""
    begin = time.perf_counter()
    with open_video(clip.path, stop=len(clip.frames)) as video:
        count = sum(1 for _ in video)
    return (time.perf_counter() - begin) / count
