"""Success and precision as the TrackingNet devkit and its server measure them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mixformer.evaluation.metrics.frame_errors import (
    IOU_THRESHOLDS,
    center_error,
    fit_length,
    iou,
    precision_curve,
    start_from_truth,
    success_curve,
    trapezoid,
)
from mixformer.evaluation.metrics.metric_types import Measured, SequenceResult, average_curves
from mixformer.types import FloatArray

PIXELS = np.linspace(0, 50, 21)
SIZES = np.linspace(0, 0.5, 21)


def measure(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Areas under three curves of 21 points each, averaged over sequences; all boxes are rounded first.

    Frame 0 is replaced by the ground truth and counts. Missing predictions, NaN and frames without a true box are
    misses. Predictions beyond the last annotated frame are left out. "precision" and "norm_precision" are averages
    over 0..50 pixels and 0..0.5; other conventions give the values at 20 pixels and 0.20.

    Returns:
        Numbers "auc", "precision", "norm_precision" and curves "success", "precision", "norm_precision".
    """
    names: list[str] = []
    success: list[FloatArray] = []
    precision: list[FloatArray] = []
    relative: list[FloatArray] = []
    for run in runs:
        truth = np.round(run.truth)
        predicted = start_from_truth(np.round(fit_length(run.predicted, len(truth), np.nan)), truth)
        names.append(run.name)
        success.append(success_curve(iou(predicted, truth), IOU_THRESHOLDS))
        precision.append(precision_curve(center_error(predicted, truth), PIXELS))
        relative.append(precision_curve(center_error(predicted, truth, relative=True), SIZES))
    return average_curves(
        names,
        {
            "success": (IOU_THRESHOLDS, success),
            "precision": (PIXELS, precision),
            "norm_precision": (SIZES, relative),
        },
        {
            "auc": ("success", trapezoid),
            "precision": ("precision", trapezoid),
            "norm_precision": ("norm_precision", trapezoid),
        },
    )
