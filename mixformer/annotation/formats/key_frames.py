"""Reduce a box in each frame to a few key frames, from which the others can be interpolated."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from mixformer.annotation.project import FrameBox
from mixformer.types import FloatArray

EXACT = 0.0
"""Tolerance at which interpolation reproduces every box to its last decimal."""


def visible_runs(boxes: Sequence[FrameBox]) -> Iterator[list[FrameBox]]:
    """Yield the boxes of each run of frames without a gap."""
    run: list[FrameBox] = []
    for box in boxes:
        if run and box.frame != run[-1].frame + 1:
            yield run
            run = []
        run.append(box)
    if run:
        yield run


def key_places(boxes: FloatArray, fixed: Collection[int] = (), tolerance: float = EXACT) -> list[int]:
    """Choose rows from which the others can be interpolated.

    Args:
        boxes: (n, 4) boxes of successive frames in pixels, with 2 decimals.
        fixed: indices of rows to keep, besides the first and the last.
        tolerance: largest error of each of the four numbers in pixels; 0 allows none after rounding to 2 decimals.

    Returns:
        Indices of the chosen rows, rising.

    Example:
        >>> import numpy as np
        >>> from mixformer.annotation.formats.key_frames import key_places
        >>> key_places(np.array([[0.0, 0, 9, 9], [1, 0, 9, 9], [2, 0, 9, 9], [2, 0, 9, 9]]))
        [0, 2, 3]
    """
    stops = sorted({0, len(boxes) - 1, *fixed})
    rows: list[list[float]] = boxes.tolist()  # for few numbers, faster than arrays
    places = [0]
    for stop in stops[1:]:
        while places[-1] < stop:
            places.append(_furthest(rows, places[-1], stop, max(tolerance, 0.004)))
    return places


def _furthest(rows: list[list[float]], start: int, stop: int, tolerance: float) -> int:
    """Find the last row up to which a line from `start` passes all rows between, by narrowing the possible slopes."""
    limits = [(-math.inf, math.inf)] * len(rows[start])
    best = start + 1
    for place in range(start + 1, stop + 1):
        run = place - start
        rises = [value - begin for value, begin in zip(rows[place], rows[start], strict=True)]
        if all(low <= rise / run <= high for rise, (low, high) in zip(rises, limits, strict=True)):
            best = place
        limits = [
            (max(low, (rise - tolerance) / run), min(high, (rise + tolerance) / run))
            for rise, (low, high) in zip(rises, limits, strict=True)
        ]
        if any(low > high for low, high in limits):
            break
    return best
