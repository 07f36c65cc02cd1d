"""Reduce a box in each frame to a few key frames, from which the others can be interpolated."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from mixformer.annotation.project import FrameBox
from mixformer.types import FloatArray

EXACT = 0.0
"""Tolerance at which interpolation reproduces every box to its last decimal."""


def visible_runs(boxes: Sequence[FrameBox]) -> Iterator[list[FrameBox]]:
    """Yield the boxes of each run of frames without a gap."""
    for _, run in groupby(enumerate(boxes), key=lambda item: item[1].frame - item[0]):
        yield [box for _, box in run]


def key_places(boxes: FloatArray, fixed: Collection[int] = (), tolerance: float = EXACT) -> list[int]:
    """Choose rows of (n, 4) boxes in pixels, with 2 decimals, from which the others can be interpolated.

    Rows in `fixed` are kept, as are the first and the last. `tolerance` is the largest error of each number in pixels;
    0 allows none after rounding to 2 decimals. Returns the indices of the chosen rows, rising.
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
