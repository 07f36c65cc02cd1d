"""A program with three mistakes that a type checker must find, one a line with a mark."""

from __future__ import annotations

from mixformer import MultiTracker, Runtime, track
from mixformer.types import Image


def wrong(image: Image) -> None:
    tracker = MultiTracker()
    tracker.add(image, 5)  # mistake
    score: str = next(track("clip.mp4", (1, 2, 3, 4))).box  # mistake
    Runtime(thread=2)  # mistake
    del score
