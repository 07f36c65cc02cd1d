"""From a box in each frame to the few key frames between which the boxes lie on lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from mixformer.annotation.project import FrameBox
from mixformer.types import FloatArray

EXACT = 0.0
"""Tolerance at which the lines give every box to its last decimal."""


def visible_runs(boxes: Sequence[FrameBox]) -> Iterator[list[FrameBox]]:
    """Yield the boxes of each row of frames without a gap."""
    run: list[FrameBox] = []
    for box in boxes:
        if run and box.frame != run[-1].frame + 1:
            yield run
            run = []
        run.append(box)
    if run:
        yield run


def key_places(boxes: FloatArray, fixed: Collection[int] = (), tolerance: float = EXACT) -> list[int]:
    """Places of rows between which the others lie on a line.

    Args:
        boxes: (n, 4) of frames in a row, with 2 decimals.
        fixed: places that are kept in any case; the first and the last are too.
        tolerance: pixels that any of the four numbers may be off; 0 allows none after rounding to 2 decimals.

    Example:
        >>> import numpy as np
        >>> from mixformer.annotation.formats.key_frames import key_places
        >>> key_places(np.array([[0.0, 0, 9, 9], [1, 0, 9, 9], [2, 0, 9, 9], [2, 0, 9, 9]]))
        [0, 2, 3]
    """
    stops = sorted({0, len(boxes) - 1, *fixed})
    places = [0]
    for stop in stops[1:]:
        while places[-1] < stop:
            places.append(_furthest(boxes, places[-1], stop, max(tolerance, 0.004)))
    return places


def _furthest(boxes: FloatArray, start: int, stop: int, tolerance: float) -> int:
    """The last row up to which a line from `start` passes all rows between: the slopes that are possible get fewer."""
    low, high = np.full(4, -np.inf), np.full(4, np.inf)
    best = start + 1
    for place in range(start + 1, stop + 1):
        rise, run = boxes[place] - boxes[start], place - start
        slope = rise / run
        if ((slope >= low) & (slope <= high)).all():
            best = place
        low, high = np.maximum(low, (rise - tolerance) / run), np.minimum(high, (rise + tolerance) / run)
        if (low > high).any():
            break
    return best
