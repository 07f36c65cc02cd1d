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
    """Measure the areas under three curves of 21 points each, averaged over sequences; all boxes are rounded first.

    Frame 0 is replaced by the ground truth and counts. Missing predictions, NaN and frames without a true box are
    misses. Predictions after the last annotated frame are left out. "precision" and "norm_precision" are averages over
    0..50 pixels and 0..0.5; other conventions use the values at 20 pixels and 0.20.

    Returns:
        Numbers "auc", "precision", "norm_precision" and curves "success", "precision", "norm_precision".
    """

    def curves(run: SequenceResult) -> tuple[str, tuple[FloatArray, ...]]:
        truth = np.round(run.truth)
        predicted = start_from_truth(np.round(fit_length(run.predicted, len(truth), np.nan)), truth)
        return run.name, (
            success_curve(iou(predicted, truth), IOU_THRESHOLDS),
            precision_curve(center_error(predicted, truth), PIXELS),
            precision_curve(center_error(predicted, truth, relative=True), SIZES),
        )

    thresholds = {"success": IOU_THRESHOLDS, "precision": PIXELS, "norm_precision": SIZES}
    areas = {"auc": "success", "precision": "precision", "norm_precision": "norm_precision"}
    return average_curves(map(curves, runs), thresholds, {name: (curve, trapezoid) for name, curve in areas.items()})
