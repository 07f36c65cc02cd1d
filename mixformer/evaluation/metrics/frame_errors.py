"""Per-frame numbers and their curves: the arithmetic that all conventions share.

Results near a threshold depend on the order of float64 operations. The tools differ in such details, so `exact_iou` and
`center_error` have arguments for them.
"""

from __future__ import annotations

import numpy as np

from mixformer.errors import DataError
from mixformer.evaluation.metrics.metric_types import BoolArray, SequenceResult
from mixformer.types import FloatArray

IOU_THRESHOLDS = np.linspace(0, 1, 21)
PIXEL_THRESHOLDS = np.arange(51.0)
SIZE_THRESHOLDS = np.arange(51) / 100


def exact_iou(first: FloatArray, second: FloatArray, *, pixel: float = 0.0, epsilon: float = 0.0) -> FloatArray:
    """Compute the intersection over union (n,) of pairs of (n, 4) xywh boxes; NaN for a pair without area or with NaN.

    Args:
        first: boxes.
        second: boxes.
        pixel: 1 for tools that use the last pixel (x + w - 1) as the right end and add the 1 later. By rounding, the
            result can then exceed 1 by about 1e-16.
        epsilon: number added to the union.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        width, height = (_shared(first, second, axis, pixel) for axis in (0, 1))
        shared = width * height
        union = first[:, 2] * first[:, 3] + second[:, 2] * second[:, 3] - shared
        ratio: FloatArray = shared / (union + epsilon)
    return ratio


def _shared(first: FloatArray, second: FloatArray, axis: int, pixel: float) -> FloatArray:
    """Return the length that two boxes share along x (axis 0) or y (axis 1)."""
    low = np.maximum(first[:, axis], second[:, axis])
    high = np.minimum(first[:, axis] + first[:, axis + 2] - pixel, second[:, axis] + second[:, axis + 2] - pixel)
    length: FloatArray = np.maximum(high - low + pixel, 0.0)
    return length


def center_error(predicted: FloatArray, truth: FloatArray, *, relative: bool = False) -> FloatArray:
    """Compute the distance (n,) of the centers, x + (w - 1) / 2, in pixels or in units of the true width and height."""
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = (boxes[:, :2] + 0.5 * (boxes[:, 2:] - 1.0) for boxes in (predicted, truth))
        if relative:
            first, second = first / truth[:, 2:], second / truth[:, 2:]
        x, y = (first - second).T
        distance: FloatArray = np.sqrt(x * x + y * y)
    return distance


def success_curve(values: FloatArray, thresholds: FloatArray, total: int | None = None) -> FloatArray:
    """Return the fraction (k,), of `total` or n, of (n,) values strictly above each rising threshold; NaN never is."""
    reached = np.searchsorted(thresholds, np.where(np.isnan(values), -np.inf, values), side="left")
    counts = np.bincount(reached, minlength=len(thresholds) + 1)
    above: FloatArray = counts[::-1].cumsum()[::-1][1:] / (len(values) if total is None else total)
    return above


def precision_curve(values: FloatArray, thresholds: FloatArray, total: int | None = None) -> FloatArray:
    """Return the fraction (k,) of the values up to each threshold; NaN is above all. Arguments as `success_curve`."""
    first = np.searchsorted(thresholds, np.where(np.isnan(values), np.inf, values), side="left")
    counts = np.bincount(first, minlength=len(thresholds) + 1)
    within: FloatArray = counts[:-1].cumsum() / (len(values) if total is None else total)
    return within


def trapezoid(values: FloatArray) -> FloatArray:
    """Compute the area (...) under (..., k) values at k evenly spaced places of 0..1, by the trapezoidal rule."""
    area: FloatArray = ((values[..., 1:] + values[..., :-1]) / 2).mean(-1)
    return area


def clip_boxes(boxes: FloatArray, size: tuple[int, int] | None) -> FloatArray:
    """Clip (n, 4) xywh boxes as the got10k toolkit: a box that begins left of the frame moves and keeps its width."""
    if size is None:
        return boxes
    left, top = np.clip(boxes[:, 0], 0, size[1]), np.clip(boxes[:, 1], 0, size[0])
    return np.stack(
        [left, top, np.clip(boxes[:, 2], 0, size[1] - left), np.clip(boxes[:, 3], 0, size[0] - top)], axis=1
    )


def same_length(run: SequenceResult, tool: str) -> FloatArray:
    """Return the predictions; raises DataError if there are not as many as annotated frames."""
    if len(run.predicted) != len(run.truth):
        raise DataError(
            f"{run.name}: {len(run.predicted)} predicted boxes for {len(run.truth)} annotated frames; "
            f"{tool} takes complete results only, so run the tracker on this sequence again"
        )
    return run.predicted


def fit_length(boxes: FloatArray, count: int, fill: float) -> FloatArray:
    """Return the first `count` of (m, 4) boxes; missing ones are filled with `fill`."""
    if len(boxes) >= count:
        return boxes[:count]
    return np.concatenate([boxes, np.full((count - len(boxes), 4), fill)])


def start_from_truth(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """Copy the boxes, and replace the first by the true one, which the tracker was given."""
    boxes = boxes.copy()
    boxes[:1] = truth[:1]
    return boxes


def stretches(chosen: BoolArray) -> list[tuple[int, int]]:
    """Return the first frame of each run of chosen frames, and the frame after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
