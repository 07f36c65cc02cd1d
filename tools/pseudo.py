"""Boxes for videos without annotations: what a tracker finds forwards and again backwards is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixformer.annotation.joining import join, overlaps
from mixformer.errors import BoxError
from mixformer.tracking.tracker import Tracker
from mixformer.types import Box, FloatArray, Image

_CELL = 12  # pixels: side of the cells that motion is measured in
_LARGEST = 0.5  # of the frame's width or height: more is the camera's motion


@dataclass(frozen=True)
class Trust:
    """When a box counts.

    Attributes:
        agree: least overlap (IoU) of the boxes found forwards and backwards.
        score: least probability that the box holds the target, both ways, for trackers that tell it.
        shortest: frames in a row that must count; shorter runs are left out.
    """

    agree: float = 0.6
    score: float = 0.5
    shortest: int = 20


@dataclass(frozen=True)
class Run:
    """Frames in a row with trusted boxes.

    Attributes:
        start: number of the first frame.
        boxes: (n, 4) xywh in pixels, the means of both directions.
        agreement: mean overlap of both directions.
    """

    start: int
    boxes: FloatArray
    agreement: float


def follow(tracker: Tracker, frames: Sequence[Image], box: Box, trust: Trust) -> Run | None:
    """The longest run in which tracking from the first frame and tracking back from the last find the same.

    Args:
        tracker: follows; its target is replaced.
        frames: RGB uint8 (H, W, 3), in order.
        box: the target in the first of them.
        trust: what counts.

    Returns:
        The run, or None if none is long enough or the target is lost at the end.

    Raises:
        BoxError: if the box cannot be tracked.
    """
    forth, sure = _track(tracker, frames, box)
    try:
        back, sure_too = _track_back(tracker, frames, Box(*forth[-1].tolist()))
    except BoxError:  # it ended outside the frame
        return None
    overlap = overlaps(forth, back)
    good = (overlap >= trust.agree) & (np.minimum(sure, sure_too) >= trust.score)
    start, length = longest_run(good)
    if length < max(1, trust.shortest):
        return None
    kept = slice(start, start + length)
    return Run(start, (forth[kept] + back[kept]) / 2, float(overlap[kept].mean()))


def between(tracker: Tracker, frames: Sequence[Image], first: Box, last: Box, agree: float) -> FloatArray:
    """Boxes of the frames between two that a person has drawn boxes in: tracked from either end, and where both agree,
    joined as `mixformer annotate` does.

    Args:
        tracker: follows; its target is replaced.
        frames: RGB uint8 (H, W, 3), in order; at least two.
        first: the target in the first frame.
        last: the target in the last frame.
        agree: least overlap (IoU) of the boxes found from both ends.

    Returns:
        (n, 4) xywh in pixels, NaN where they do not agree; the ends are the given boxes.

    Raises:
        BoxError: if a box cannot be tracked.
    """
    forth, sure = _track(tracker, frames, first)
    back, sure_back = _track_back(tracker, frames, last)
    joined = join(forth[1:-1], back[1:-1], sure[1:-1], sure_back[1:-1], agree)
    boxes = np.where(joined.overlap[:, None] >= agree, joined.boxes, np.nan)
    return np.concatenate([[first], boxes, [last]])


def longest_run(good: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and length of the longest row of True in (n,); the first of equals; length 0 if there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return 0, 0
    best = int(lengths.argmax())
    return int(starts[best]), int(lengths[best])


def moving(before: Image, frame: Image, after: Image, count: int = 3) -> list[Box]:
    """Boxes around what moves in a frame by itself: a rough guess where objects are, the largest first.

    A cell of the frame moves if it differs both from `before` and from `after`, clearly more than most cells do.
    With a moving camera that holds nearly everywhere, and nothing is found.

    Args:
        before: an earlier frame, RGB uint8 (H, W, 3).
        frame: the one in question.
        after: a later one.
        count: boxes to return at most.
    """
    here = frame.astype(np.int16)
    change = np.minimum(np.abs(here - before), np.abs(here - after)).max(-1)
    rows, columns = (side // _CELL for side in change.shape)
    cells = change[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).mean((1, 3))
    blobs = sorted(_blobs(cells > max(8.0, 3 * float(np.median(cells)))), key=lambda blob: -len(blob))
    boxes = []
    for blob in blobs:
        y, x = blob.min(0) * _CELL
        h, w = (blob.max(0) + 1) * _CELL - (y, x)
        if len(blob) >= 4 and w <= _LARGEST * frame.shape[1] and h <= _LARGEST * frame.shape[0]:
            boxes.append(Box(float(x), float(y), float(w), float(h)))
    return boxes[:count]


def _blobs(marked: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """Places (n, 2) of connected marked cells, group by group."""
    left = {(int(y), int(x)) for y, x in np.argwhere(marked)}
    while left:
        group, new = [], [left.pop()]
        while new:
            y, x = new.pop()
            group.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            new += near
        yield np.array(group)


def _track(tracker: Tracker, frames: Sequence[Image], box: Box) -> tuple[FloatArray, FloatArray]:
    """Boxes (n, 4) and probabilities (n,), 1 from a tracker without a score."""
    found = [tracker.init(frames[0], box), *(tracker.update(frame) for frame in frames[1:])]
    scores = [1.0 if result.score is None else result.score for result in found]
    return np.array([result.box for result in found], np.float64), np.array(scores, np.float64)


def _track_back(tracker: Tracker, frames: Sequence[Image], box: Box) -> tuple[FloatArray, FloatArray]:
    """The same from the last frame to the first; results in the order of the frames."""
    boxes, scores = _track(tracker, frames[::-1], box)
    return boxes[::-1], scores[::-1]
