"""The calibration error of a score: its distance from the rate of boxes that overlap the target by more than half."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mixformer.configs.argument_checks import checked
from mixformer.errors import DataError
from mixformer.evaluation.metrics.frame_errors import exact_iou
from mixformer.evaluation.metrics.metric_types import BoolArray, SequenceResult
from mixformer.types import FloatArray

BINS = 10
_HIT = 0.5  # IoU


@dataclass(frozen=True, eq=False)
class ScoreBins:
    """Scores in ten equal bins from 0 to 1, with the rate of right boxes in each bin.

    Attributes:
        counts: (10,) number of scores; a score on an edge is in the upper bin, and 1 in the last.
        scores: (10,) mean score; NaN in an empty bin.
        rates: (10,) fraction of the boxes that overlap the target by more than half; NaN in an empty bin.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import bin_scores
        >>> bins = bin_scores(np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, True, False, False]))
        >>> bins.counts.astype(int).tolist()
        [0, 1, 0, 0, 0, 0, 0, 0, 0, 3]
        >>> round(bins.error, 3)  # (3 * |0.9 - 2/3| + 1 * |0.1 - 0|) / 4
        0.2
    """

    counts: FloatArray
    scores: FloatArray
    rates: FloatArray

    @property
    def error(self) -> float:
        """The expected calibration error, 0..1: |mean score - rate| of each bin, weighted by its count.

        Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
        """
        distances = np.nan_to_num(np.abs(self.scores - self.rates), nan=0.0)
        return float(self.counts @ distances / self.counts.sum())


@checked
def bin_scores(scores: FloatArray, hits: BoolArray) -> ScoreBins:
    """Put scores into ten equal bins.

    Args:
        scores: (n,) probabilities 0..1.
        hits: (n,) True where the box overlaps the target by more than half.

    Raises DataError if there are no scores, some are outside of 0..1, or there is not one hit for each.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import bin_scores
        >>> honest = bin_scores(np.array([0.5, 0.5]), np.array([True, False]))
        >>> honest.error
        0.0
    """
    if scores.ndim != 1 or scores.shape != hits.shape:
        raise DataError(f"scores and hits have one value for each box, not the shapes {scores.shape} and {hits.shape}")
    if not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
        raise DataError("calibration needs scores from 0 to 1, at least one; use a model with a score head")
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    counts, sums, right = (
        np.bincount(places, weights, BINS).astype(np.float64) for weights in (None, scores, hits.astype(np.float64))
    )
    with np.errstate(invalid="ignore"):
        return ScoreBins(counts, sums / counts, right / counts)


def score_pairs(runs: Iterable[SequenceResult]) -> list[tuple[FloatArray, BoolArray]]:
    """Pair the scores (n,) of each run with (n,) True where the box overlaps the target by more than half.

    Left out are frame 0 and frames without a score. A run without scores, or of another length than the ground truth,
    has empty arrays. A box in a frame without the target overlaps nothing.
    """
    pairs = []
    for run in runs:
        if run.scores is None or len(run.predicted) != len(run.truth):
            pairs.append((np.empty(0), np.empty(0, bool)))
            continue
        hits = run.present & (np.nan_to_num(exact_iou(run.predicted, run.truth), nan=0.0) > _HIT)
        known = ~np.isnan(run.scores)
        known[0] = False
        pairs.append((run.scores[known], hits[known]))
    return pairs
