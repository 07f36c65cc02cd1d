"""Run a tracker over annotated sequences and measure it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mixformer.config import TrackerConfig
from mixformer.data.sequence import Sequence, read_image
from mixformer.engines import Engine
from mixformer.errors import DataError
from mixformer.evaluation.success import Success, success
from mixformer.tracking import Tracker
from mixformer.types import FloatArray


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

    sequence: Sequence
    boxes: FloatArray
    scores: FloatArray
    success: Success
    fps: float


def measure(engine: Engine, config: TrackerConfig, sequences: Iterable[Sequence]) -> Iterator[Run]:
    """Track each sequence once (one pass, no restart) and measure it.

    Raises:
        DataError: for a sequence whose first frame has no box.
    """
    tracker = Tracker(engine, config)
    for sequence in sequences:
        yield _run(tracker, sequence)


def _run(tracker: Tracker, sequence: Sequence) -> Run:
    if len(sequence.visible) == 0 or sequence.visible[0] != 0:
        raise DataError(f"{sequence.name}: the first frame has no box to start from")
    boxes, scores, seconds = np.empty((len(sequence), 4)), np.full(len(sequence), np.nan), 0.0
    for index, path in enumerate(sequence.frames):
        image = read_image(path)
        start = time.perf_counter()
        result = tracker.init(image, sequence.box(0)) if index == 0 else tracker.update(image)
        seconds += time.perf_counter() - start
        boxes[index] = result.box
        if result.score is not None:
            scores[index] = result.score
    return Run(sequence, boxes, scores, success(boxes, sequence.boxes), len(sequence) / seconds)
