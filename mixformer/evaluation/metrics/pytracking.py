"""Success and precision as pytracking, STARK and the official MixFormer evaluation measure them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mixformer.errors import DataError
from mixformer.evaluation.metrics.frame_errors import (
    PIXEL_THRESHOLDS,
    SIZE_THRESHOLDS,
    center_error,
    exact_iou,
    fit_length,
    precision_curve,
    start_from_truth,
    success_curve,
)
from mixformer.evaluation.metrics.metric_types import BoolArray, Measured, SequenceResult, average_curves
from mixformer.types import FloatArray

_STEPS = np.arange(21)
SUCCESS_THRESHOLDS = (_STEPS // 4 * 4) * 0.05 + (_STEPS % 4) * 0.05
"""0, 0.05 .. 1 as a vectorized `arange` computes them: the 14th and 16th are one last bit above 0.65 and 0.75."""

HIT = -1.0
"""Error of a frame that always counts as a hit: it is below every threshold."""


@dataclass(frozen=True)
class FrameErrors:
    """Per-frame numbers of one sequence; a frame is valid if its true box has an area and is not marked invisible."""

    iou: FloatArray  # (n,) intersection over union, -1 where the frame is not valid
    center: FloatArray  # (n,) distance of centers in pixels; infinite where the frame is not valid, for uav -1 (a hit)
    # (n,) distance of centers in units of the true width and height; -1 (a hit) where the frame is not valid, for lasot
    # infinite where the target is not visible
    relative: FloatArray
    valid: BoolArray  # (n,)


def rules_of(dataset: str) -> str:
    """Return the rules for invalid frames of a data set: "lasot", "uav" or "generic" (also for LaSOT's extension)."""
    key = dataset.lower().replace("-", "_")
    if key in ("lasot", "lasot_test", "lasot_lmdb"):
        return "lasot"
    return "uav" if key.startswith("uav") else "generic"


def frame_errors(run: SequenceResult, dataset: str = "") -> FrameErrors:
    """Measure the frames of one sequence, with frame 0 replaced by the ground truth.

    The official tool refuses a NaN ground truth except for uav. Here such frames count as boxes without size. Raises
    DataError for a predicted box with NaN or a negative side, and for lasot without visibility or with too few boxes
    (others are filled up with empty boxes).
    """
    rules = rules_of(dataset)
    predicted = start_from_truth(_complete(run, rules), run.truth)
    valid = run.present
    errors = FrameErrors(
        exact_iou(predicted, run.truth, pixel=1.0),
        center_error(predicted, run.truth),
        center_error(predicted, run.truth, relative=True),
        valid,
    )
    errors.iou[~valid] = -1.0
    errors.center[~valid] = HIT if rules == "uav" else np.inf
    errors.relative[~valid] = HIT
    if rules == "lasot":
        if run.visible is None:
            raise DataError(
                f"{run.name}: the lasot rules need to know where the target is visible; "
                "read full_occlusion.txt and out_of_view.txt of the sequence"
            )
        errors.center[~run.visible] = errors.relative[~run.visible] = np.inf
    return errors


def _complete(run: SequenceResult, rules: str) -> FloatArray:
    """Return (n, 4) predictions: boxes without size repeat the one before, then boxes are cut off or added."""
    boxes, count = run.predicted, len(run.truth)
    with np.errstate(invalid="ignore"):
        bad = np.isnan(boxes).any(1) | (boxes[:, 2:] < 0).any(1)
    if bad.any():
        frame = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{run.name}: predicted box of frame {frame} is {boxes[frame].tolist()}; "
            "this convention takes finite boxes with sides of 0 or more only"
        )
    if rules == "lasot" and len(boxes) < count:
        raise DataError(f"{run.name}: {len(boxes)} predicted boxes for {count} annotated frames; lasot needs all")
    empty = (boxes[:, 2:] == 0).any(1)
    if rules == "uav":
        # A frame without annotation keeps its empty prediction, and hands it on to empty predictions after it.
        empty[:count] &= ~np.isnan(run.truth.sum(1))[: len(empty)]
    empty[:1] = False
    source = np.maximum.accumulate(np.where(empty, 0, np.arange(len(boxes))))
    return fit_length(boxes[source], count, 0.0)


def measure(runs: Iterable[SequenceResult], dataset: str = "", *, exclude_invalid: bool = False) -> Measured:
    """Measure success, precision (20 pixels) and normalized precision (0.20), averaged over sequences.

    With `exclude_invalid`, curves are divided by the number of valid frames (DataError if there are none) instead of
    all. With hits in invalid frames the result can then exceed 1, as in the official tool.
    """

    def curves(run: SequenceResult) -> tuple[str, tuple[FloatArray, ...]]:
        errors = frame_errors(run, dataset)
        total = int(errors.valid.sum()) if exclude_invalid else len(errors.valid)
        if total == 0:
            raise DataError(f"{run.name}: no valid frame to measure; leave the sequence out")
        return run.name, (
            success_curve(errors.iou, SUCCESS_THRESHOLDS, total),
            precision_curve(errors.center, PIXEL_THRESHOLDS, total),
            precision_curve(errors.relative, SIZE_THRESHOLDS, total),
        )

    # Curves per sequence first: the official tool averages sequences, not frames.
    return average_curves(
        map(curves, runs),
        {"success": SUCCESS_THRESHOLDS, "precision": PIXEL_THRESHOLDS, "norm_precision": SIZE_THRESHOLDS},
        {
            "auc": ("success", lambda curve: curve.mean(-1)),
            "op50": ("success", lambda curve: curve[..., 10]),
            "op75": ("success", lambda curve: curve[..., 15]),
            "precision": ("precision", lambda curve: curve[..., 20]),
            "norm_precision": ("norm_precision", lambda curve: curve[..., 20]),
        },
    )
