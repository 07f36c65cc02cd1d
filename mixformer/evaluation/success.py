"""Success of a track against its annotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixformer.errors import DataError
from mixformer.evaluation.metrics.frame_errors import OVERLAP_THRESHOLDS, overlap, success_curve
from mixformer.evaluation.metrics.metric_types import SequenceResult
from mixformer.types import FloatArray


@dataclass(frozen=True)
class Success:
    """How well boxes overlap the truth.

    Attributes:
        auc: mean over 21 thresholds 0, 0.05 .. 1 of the part of frames with IoU strictly above; a perfect tracker
            therefore gets 20 / 21 = 0.952.
        mean_iou: mean IoU.
        frames: frames that counted.
    """

    auc: float
    mean_iou: float
    frames: int


def overlaps(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """IoU per frame of (n, 4) xywh boxes; NaN where the truth is absent (NaN or without area)."""
    values = overlap(predicted, truth)
    values[~SequenceResult("boxes", predicted, truth).annotated] = np.nan
    return values


def success(predicted: FloatArray, truth: FloatArray) -> Success:
    """Success AUC of one sequence: the first frame is left out, frames without the target are skipped.

    Args:
        predicted: (n, 4) xywh in pixels.
        truth: (n, 4) xywh in pixels, NaN where absent.

    Raises:
        DataError: if the lengths differ or no frame counts.
    """
    if predicted.shape != truth.shape:
        raise DataError(f"{len(predicted)} predicted boxes for {len(truth)} annotated frames")
    values = overlaps(predicted, truth)[1:]
    values = values[np.isfinite(values)]
    if len(values) == 0:
        raise DataError("no annotated frame after the first: there is nothing to measure")
    return Success(float(success_curve(values, OVERLAP_THRESHOLDS).mean()), float(values.mean()), len(values))
