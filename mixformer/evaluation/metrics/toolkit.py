"""OTB and GOT-10k as the got10k toolkit measures them, and TrackingNet as its devkit and server do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mixformer.errors import DataError
from mixformer.evaluation.metrics.frame_errors import (
    IOU_THRESHOLDS,
    PIXEL_THRESHOLDS,
    center_error,
    clip_boxes,
    exact_iou,
    fit_length,
    precision_curve,
    same_length,
    start_from_truth,
    success_curve,
    trapezoid,
)
from mixformer.evaluation.metrics.metric_types import Curve, Measured, SequenceResult, average_curves
from mixformer.types import FloatArray

GOT10K_THRESHOLDS = np.linspace(0, 1, 101)
TRACKINGNET_PIXELS = np.linspace(0, 50, 21)
TRACKINGNET_SIZES = np.linspace(0, 0.5, 21)
_EPSILON = float(np.finfo(np.float64).eps)


def toolkit_iou(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """Compute the IoU (n,) in 0..1 of (n, 4) boxes, with the toolkit's epsilon added to the union."""
    return np.clip(exact_iou(predicted, truth, epsilon=_EPSILON), 0.0, 1.0)


def measure_otb(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Measure success and precision (20 pixels) over all frames. Frame 0 is replaced by the ground truth and counts.

    A frame without a true box, or with a predicted box of NaN, is a miss. Predictions must be complete.
    """

    def curves(run: SequenceResult) -> tuple[str, tuple[FloatArray, ...]]:
        predicted = start_from_truth(same_length(run, "the OTB convention"), run.truth)
        return run.name, (
            success_curve(toolkit_iou(predicted, run.truth), IOU_THRESHOLDS),
            precision_curve(center_error(predicted, run.truth), PIXEL_THRESHOLDS),
        )

    return average_curves(
        map(curves, runs),
        {"success": IOU_THRESHOLDS, "precision": PIXEL_THRESHOLDS},
        {
            "auc": ("success", lambda curve: curve.mean(-1)),
            "op50": ("success", lambda curve: curve[..., 10]),
            "precision": ("precision", lambda curve: curve[..., 20]),
        },
    )


def got10k_ious(run: SequenceResult) -> FloatArray:
    """Compute the IoU of the frames that count: all frames after the first with a visible ratio above 0.

    Without visible ratios, the frames with a present target count. Both boxes are clipped to the frame if its size is
    known. A predicted box of NaN has an IoU of 0. Predictions must be complete.
    """
    predicted, truth = (
        clip_boxes(boxes, run.size)[1:] for boxes in (same_length(run, "the GOT-10k convention"), run.truth)
    )
    seen = run.present if run.visible_ratio is None else (run.visible_ratio > 0) & np.isfinite(run.truth).all(1)
    return np.nan_to_num(toolkit_iou(predicted, truth)[seen[1:]], nan=0.0)


def measure_got10k(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Measure the average overlap (AO) and success rates (IoU above 0.5, 0.75) over the pooled frames of all sequences.

    A sequence in which no frame counts has NaN and adds nothing to the whole; DataError if that is so in all of them.
    """
    per_sequence: dict[str, dict[str, float]] = {}
    pooled = np.zeros(len(GOT10K_THRESHOLDS))
    total, frames = 0.0, 0
    for run in runs:
        values = got10k_ious(run)
        count = len(values)
        above = success_curve(values, GOT10K_THRESHOLDS, 1)
        per_sequence[run.name] = _numbers(float(values.sum()), above, count)
        pooled += above
        total += float(values.sum())
        frames += count
    if frames == 0:
        raise DataError("no frame after the first shows the target, so there is nothing to measure; add sequences")
    curve = Curve("success", GOT10K_THRESHOLDS, pooled / frames)
    return Measured(_numbers(total, pooled, frames), {"success": curve}, per_sequence)


def _numbers(total: float, above: FloatArray, frames: int) -> dict[str, float]:
    sums = {"ao": total, "sr50": float(above[50]), "sr75": float(above[75])}
    return {name: value / frames if frames else float("nan") for name, value in sums.items()}


def measure_trackingnet(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Measure the areas under three curves of 21 points each, averaged over sequences; all boxes are rounded first.

    Frame 0 is replaced by the ground truth and counts. Missing predictions, NaN and frames without a true box are
    misses. Predictions after the last annotated frame are left out. "precision" and "norm_precision" are averages over
    0..50 pixels and 0..0.5; other conventions use the values at 20 pixels and 0.20.
    """

    def curves(run: SequenceResult) -> tuple[str, tuple[FloatArray, ...]]:
        truth = np.round(run.truth)
        predicted = start_from_truth(np.round(fit_length(run.predicted, len(truth), np.nan)), truth)
        return run.name, (
            success_curve(exact_iou(predicted, truth), IOU_THRESHOLDS),
            precision_curve(center_error(predicted, truth), TRACKINGNET_PIXELS),
            precision_curve(center_error(predicted, truth, relative=True), TRACKINGNET_SIZES),
        )

    thresholds = {"success": IOU_THRESHOLDS, "precision": TRACKINGNET_PIXELS, "norm_precision": TRACKINGNET_SIZES}
    areas = {"auc": "success", "precision": "precision", "norm_precision": "norm_precision"}
    return average_curves(map(curves, runs), thresholds, {name: (curve, trapezoid) for name, curve in areas.items()})
