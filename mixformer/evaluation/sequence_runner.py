"""Run a tracker over annotated sequences and measure it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mixformer.configs.tracker import TrackerConfig
from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.engines import Engine
from mixformer.errors import DataError
from mixformer.evaluation.success import Success, success
from mixformer.tracking import Tracker
from mixformer.types import Box, FloatArray, Image, TrackResult


class TrackerLike(Protocol):
    """Anything that tracks like `mixformer.tracking.Tracker`: ours, or another library's behind a few lines."""

    def init(self, frame: Image, box: Box) -> Any:
        """Choose the target (xywh, 0-based) in an RGB uint8 (H, W, 3) frame."""
        ...

    def update(self, frame: Image) -> TrackResult:
        """Find the target in the next frame."""
        ...


@dataclass(frozen=True)
class Track:
    """What a tracker said about one sequence.

    Attributes:
        boxes: (n, 4) xywh per frame in pixels, 0-based; the first is the box it was given.
        scores: (n,) probabilities, 1 for the first frame, NaN for a model without scores.
        times: (n,) seconds of tracking per frame, without reading pictures; the first is `init`.
        size: (height, width) of the first frame.
    """

    boxes: FloatArray
    scores: FloatArray
    times: FloatArray
    size: tuple[int, int]

    @property
    def fps(self) -> float:
        """Frames per second of tracking."""
        seconds = float(self.times.sum())
        return len(self.times) / seconds if seconds > 0 else 0.0


@dataclass(frozen=True)
class Run:
    """One sequence tracked from its first visible frame.

    Attributes:
        sequence: what was tracked.
        boxes: (n, 4) xywh per frame.
        scores: (n,) probabilities, NaN for a model without scores.
        success: measured against the annotation.
        fps: frames per second of tracking, without reading pictures.
    """

    sequence: VideoSequence
    boxes: FloatArray
    scores: FloatArray
    success: Success
    fps: float


def follow(tracker: TrackerLike, sequence: VideoSequence, progress: Callable[[int], None] | None = None) -> Track:
    """Track one sequence once, from the box of its first frame to its end, without restarts.

    Args:
        tracker: started anew by `init`.
        sequence: only the box of its first frame is looked at.
        progress: called with the number of frames done, after every frame.

    Raises:
        DataError: if the first frame has no box, or a picture cannot be read.
    """
    if len(sequence.valid) == 0 or sequence.valid[0] != 0:
        raise DataError(f"{sequence.name}: the first frame has no box to start from")
    count = len(sequence)
    boxes, scores, times = np.empty((count, 4)), np.full(count, np.nan), np.empty(count)
    size = (0, 0)
    for index, frame in enumerate(sequence.frames):
        image = read_frame(frame)
        start = time.perf_counter()
        if index == 0:
            tracker.init(image, sequence.box(0))
            size, box, score = (image.shape[0], image.shape[1]), sequence.box(0), 1.0
        else:
            result = tracker.update(image)
            box, score = result.box, np.nan if result.score is None else result.score
        times[index] = time.perf_counter() - start
        boxes[index], scores[index] = box, score
        if progress:
            progress(index + 1)
    return Track(boxes, scores, times, size)


def measure(engine: Engine, config: TrackerConfig, sequences: Iterable[VideoSequence]) -> Iterator[Run]:
    """Track each sequence once (one pass, no restart) and measure it.

    Raises:
        DataError: for a sequence whose first frame has no box.
    """
    tracker = Tracker(engine, config)
    for sequence in sequences:
        track = follow(tracker, sequence)
        yield Run(sequence, track.boxes, track.scores, success(track.boxes, sequence.boxes), track.fps)
