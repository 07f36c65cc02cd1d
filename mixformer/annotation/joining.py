"""Join two tracks between two key boxes: forward from the first, and backward from the second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixformer.annotation.tracked_rows import TrackedBox
from mixformer.imaging.boxes import iou, xywh_to_xyxy
from mixformer.types import Box, FloatArray

AGREE = 0.5
"""Least overlap (IoU) of two boxes of one target."""
_CLEARLY = 0.2  # difference by which a score is clearly higher than another
_APART = 0.3  # fraction of the score that a box loses at the far end from its key box


@dataclass(frozen=True)
class JoinedBoxes:
    """The frames between two key boxes, joined.

    Attributes:
        boxes: (n, 4) xywh in pixels.
        scores: (n,) scores of the boxes, 0..1.
        overlap: (n,) IoU of both directions, 0..1.
        part: (n,) share of the backward box in the joined one, 0..1, rising.
    """

    boxes: FloatArray
    scores: FloatArray
    overlap: FloatArray
    part: FloatArray


def join(
    forward: FloatArray, backward: FloatArray, sure: FloatArray, sure_back: FloatArray, agree: float = AGREE
) -> JoinedBoxes:
    """Join the boxes of all frames between two key boxes.

    The track changes once from forward to backward, at the frame where the scores are highest and both agree best. The
    change takes all neighboring frames in which both agree, so that the track has no jump there. It ends at both key
    boxes.

    Args:
        forward: (n, 4) xywh, tracked from the key box before.
        backward: (n, 4) xywh, tracked from the key box after, in the order of frames.
        sure: (n,) scores of `forward`, 0..1.
        sure_back: (n,) scores of `backward`.
        agree: least overlap (IoU, 0..1) of two boxes of one target.

    Example:
        >>> import numpy as np
        >>> from mixformer.annotation.joining import join
        >>> ahead = np.tile([0.0, 0, 10, 10], (3, 1))
        >>> join(ahead, ahead + [2, 0, 0, 0], np.ones(3), np.ones(3)).boxes[:, 0].tolist()
        [0.5, 1.0, 1.5]
    """
    overlap = overlaps(forward, backward)
    place = _seam(sure, sure_back, overlap)
    part = _parts(place, overlap >= agree)
    boxes = forward * (1 - part[:, None]) + backward * part[:, None]
    return JoinedBoxes(boxes, sure * (1 - part) + sure_back * part, overlap, part)


def join_tracked(forward: list[TrackedBox], backward: list[TrackedBox]) -> list[TrackedBox]:
    """Join the tracked boxes between two key boxes; see `join`.

    A box is uncertain if the other direction has another place and its score is not clearly lower.
    """
    ahead, back = (np.array([each.box for each in found], np.float64) for found in (forward, backward))
    sure, sure_back = (np.array([_score(each) for each in found]) for found in (forward, backward))
    joined = join(ahead, back, sure, sure_back)
    found = []
    for place, (first, second) in enumerate(zip(forward, backward, strict=True)):
        mine, other = (second, first) if joined.part[place] > 0.5 else (first, second)
        doubtful = joined.overlap[place] < AGREE and _score(mine) < _score(other) + _CLEARLY
        status = "uncertain" if doubtful and mine.status == "tracking" else mine.status
        score = None if mine.score is None or other.score is None else float(joined.scores[place])
        found.append(TrackedBox(Box(*joined.boxes[place].tolist()), score, status))
    return found


def overlaps(first: FloatArray, second: FloatArray) -> FloatArray:
    """Compute the IoU of boxes (n, 4) xywh with others, frame by frame; 0 where it is undefined."""
    found: FloatArray = np.nan_to_num(iou(xywh_to_xyxy(first), xywh_to_xyxy(second))[0])
    return found


def _score(found: TrackedBox) -> float:
    if found.status == "lost":
        return 0.0
    return 0.5 if found.score is None else found.score


def _seam(sure: FloatArray, sure_back: FloatArray, overlap: FloatArray) -> int:
    """Choose the number of frames to take from the forward track."""
    far = _APART * np.linspace(0, 1, len(sure) + 2)[1:-1]
    before = np.concatenate([[0.0], np.cumsum(sure * (1 - far))])
    after = np.concatenate([np.cumsum((sure_back * (1 - far[::-1]))[::-1])[::-1], [0.0]])
    here = np.concatenate([overlap, [1.0]])  # overlap in the first frame of the backward track
    return int(np.argmax(before + after + 0.5 * here))


def _parts(place: int, same: NDArray[np.bool_]) -> FloatArray:
    """Compute the share of the backward track: 0, then rising in the frames that agree around the seam, then 1."""
    apart = np.flatnonzero(~same)
    first = int(apart[apart < place].max(initial=-1)) + 1
    stop = int(apart[apart >= place].min(initial=len(same)))
    steps: FloatArray = np.zeros(len(same))
    steps[stop:] = 1.0
    steps[first:stop] = np.linspace(0, 1, stop - first + 2)[1:-1]
    return steps
