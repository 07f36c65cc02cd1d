"""Metrics that use the score: long-term precision, recall and F, and detection of an absent target."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mixformer.errors import DataError, counted
from mixformer.evaluation.metrics.metric_types import BoolArray, Curve, Measured, SequenceResult
from mixformer.evaluation.metrics.vot_eao import region_iou
from mixformer.types import FloatArray

RESOLUTION = 100
LOST_THRESHOLDS = np.linspace(0, 1, 101)
LOST_BELOW = 0.5


def measure_longterm(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Measure tracking precision, recall and F at the score threshold where F of all sequences is largest (VOT-LT).

    For a threshold, a sequence's precision is the mean IoU of the frames with a score at or above it (1 if there is no
    such frame). Its recall is the sum of these IoUs, divided by the number of frames in which the target is present; it
    is NaN and does not count if there are none. Both are averaged over sequences; F is their harmonic mean. Frame 0 is
    left out. A predicted box or score of NaN means that the tracker reports no target. Runs need scores and complete
    predictions.
    """
    # Thresholds are quantiles of all scores together, so most of them are where most scores are.
    reports = {run.name: _reports(run) for run in runs}
    thresholds = score_thresholds(np.concatenate([scores for scores, _, _ in reports.values()]))
    rows = np.array([_precision_recall(*report, thresholds) for report in reports.values()])
    # Average over sequences before F, as the toolkit does. A sequence without the target has no recall.
    precision = rows[:, 0].mean(0)
    known = ~np.isnan(rows[:, 1, 0])
    recall = rows[known, 1].mean(0) if known.any() else np.full(len(thresholds), np.nan)
    f = harmonic(precision, recall)
    best = len(f) - 1 - int(np.argmax(np.nan_to_num(f, nan=-1.0)[::-1]))  # the highest threshold of equal ones
    per_sequence = {
        name: {"f": float(harmonic(*row[:, best])), "precision": float(row[0, best]), "recall": float(row[1, best])}
        for name, row in zip(reports, rows, strict=True)
    }
    values = {"f": f[best], "precision": precision[best], "recall": recall[best], "threshold": thresholds[best]}
    return Measured(
        {name: float(value) for name, value in values.items()},
        {n: Curve(n, thresholds, c) for n, c in (("precision", precision), ("recall", recall), ("f", f))},
        per_sequence,
    )


def _scores(run: SequenceResult) -> FloatArray:
    if run.scores is None or np.isnan(run.scores[1:]).all():
        raise DataError(
            f"{run.name}: this convention measures the tracker's score, and there is none; "
            "use a model with a score head and keep its SEQ_score.txt"
        )
    return run.scores


def _reports(run: SequenceResult) -> tuple[FloatArray, FloatArray, int]:
    """Return falling scores of the frames with a reported target, their overlaps, and the number of present frames."""
    scores, present = _scores(run), run.present[1:]
    values = np.where(present, region_iou(run)[1:], 0.0)
    reported = np.isfinite(run.predicted[1:]).all(1) & ~np.isnan(scores[1:])
    order = np.argsort(-scores[1:][reported], kind="stable")
    return scores[1:][reported][order], values[reported][order], int(present.sum())


def score_thresholds(scores: FloatArray) -> FloatArray:
    """Choose rising thresholds: at most 98 scores at even ranks, between minus and plus infinity."""
    ranked = np.sort(scores)[::-1]
    inner = RESOLUTION - 2
    if len(ranked) > inner:
        step = len(ranked) // inner
        ranked = ranked[np.round(np.linspace(step, len(ranked) - step, inner)).astype(int)]
    return np.concatenate([[-np.inf], ranked[::-1], [np.inf]])


def _precision_recall(
    scores: FloatArray, values: FloatArray, present: int, thresholds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Compute (k,) precision and recall of one sequence at each threshold."""
    count = np.searchsorted(-scores, -thresholds, side="right")
    shared = np.concatenate([[0.0], np.cumsum(values)])[count]
    precision = np.where(count > 0, shared / np.maximum(count, 1), 1.0)
    return precision, shared / present if present else np.full(len(thresholds), np.nan)


def harmonic(precision: FloatArray, recall: FloatArray) -> FloatArray:
    """Compute F of precision and recall, element by element; 0 where both are 0."""
    both = precision + recall
    f: FloatArray = np.where(both == 0, 0.0, 2 * precision * recall / np.where(both == 0, 1.0, both))
    return f


def measure_absence(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Measure how well a low score detects that the target is absent.

    The tracker calls a frame lost if its score is below 0.5 (in curves: below each of 101 thresholds), or if it has no
    box. A frame with a box but without a score is not lost. The target is absent if the ground truth has no box or
    marks it as hidden. Frame 0 is left out. Frames of all sequences are pooled. "false_alarm" is the fraction of the
    frames with the target that are called lost. A number is NaN if no frame was absent, or none called lost.
    """
    tables = {run.name: _lost_counts(run) for run in runs}
    total = np.sum(list(tables.values()), axis=0)
    rates = _rates(total)
    at = int(np.searchsorted(LOST_THRESHOLDS, LOST_BELOW))
    best = int(np.argmax(np.nan_to_num(rates["f"], nan=-1.0)))
    values = {name: float(curve[at]) for name, curve in rates.items()}
    return Measured(
        {**values, "best_f": float(rates["f"][best]), "best_threshold": float(LOST_THRESHOLDS[best])},
        {name: Curve(name, LOST_THRESHOLDS, curve) for name, curve in rates.items()},
        {name: {key: float(curve[at]) for key, curve in _rates(table).items()} for name, table in tables.items()},
    )


def _lost_counts(run: SequenceResult) -> FloatArray:
    """Count (4, k): absent frames called lost, frames with the target called lost, and all frames of both kinds."""
    scores = _scores(run)
    if len(scores) != len(run.truth):
        raise DataError(
            f"{run.name}: {counted(len(scores), 'score')} for {len(run.truth)} annotated frames; "
            "run the tracker on this sequence again"
        )
    # A frame without a score is never lost; a frame without a box always is.
    sure = np.where(np.isnan(scores), np.inf, scores)
    sure[np.isnan(run.predicted).any(1)] = -np.inf
    absent = ~run.present[1:]
    kinds = (absent, ~absent)
    lost = [_below(sure[1:], kind) for kind in kinds]
    return np.stack([*lost, *(np.full(len(LOST_THRESHOLDS), kind.sum()) for kind in kinds)]).astype(np.float64)


def _below(scores: FloatArray, chosen: BoolArray) -> FloatArray:
    """Count the chosen scores below each threshold."""
    first = np.searchsorted(LOST_THRESHOLDS, scores[chosen], side="right")
    counts: FloatArray = np.bincount(first, minlength=len(LOST_THRESHOLDS) + 1)[:-1].cumsum()
    return counts


def _rates(table: FloatArray) -> dict[str, FloatArray]:
    found, false, absent, present = table
    with np.errstate(invalid="ignore", divide="ignore"):
        f = 2 * found / (found + false + absent)
        return {
            "f": np.where(absent > 0, f, np.nan),
            "precision": found / (found + false),
            "recall": found / absent,
            "false_alarm": false / present,
        }
