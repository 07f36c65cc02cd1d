"""Platt's method: fit a scale and an offset that turn the logits of scores into those of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixformer.types import FloatArray

Pairs = Sequence[tuple[FloatArray, NDArray[np.bool_]]]
"""Scores (n,) of each sequence, and (n,) True where the box overlaps the target by more than half."""

_FOLDS = 5
_CLEAREST = 1e-6  # results keep six decimals of a score
_SCALES, _OFFSETS = (0.05, 20.0), (-20.0, 20.0)
_NOTHING = 0.01  # score of a network that does not see the target
_STEPS, _RIDGE = 100, 1e-9


def joined(pairs: Pairs) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Join the pairs of all sequences."""
    scores, hits = zip(*pairs, strict=True)
    return np.concatenate(scores), np.concatenate(hits)


def fit_scale(scores: FloatArray, hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit scale and offset of the logit by Platt's method: logistic regression, by Newton's steps.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999. His targets are a little above 0 and below
    1, so that the fit is finite on clean data too. The scale is limited to 0.05..20, so that the order of scores (n,)
    stays, and the offset to -20..20.
    """
    clear = np.clip(scores, _CLEAREST, 1 - _CLEAREST)
    logits = np.log(clear / (1 - clear))
    right, wrong = int(hits.sum()), int((~hits).sum())
    targets = np.where(hits, (right + 1) / (right + 2), 1 / (wrong + 2))
    scale, offset = _newton(np.stack([logits, np.ones_like(logits)], 1), targets, np.array([1.0, 0.0]), 0.0)
    if not _SCALES[0] <= scale <= _SCALES[1]:  # with the limited scale, another offset is best
        scale = float(np.clip(scale, *_SCALES))
        (offset,) = _newton(np.ones((len(logits), 1)), targets, np.zeros(1), scale * logits)
    return float(scale), float(np.clip(offset, *_OFFSETS))


def _newton(columns: FloatArray, targets: FloatArray, start: FloatArray, given: FloatArray | float) -> FloatArray:
    """Minimize the mean cross-entropy of sigmoid(columns @ result + given); a step that does not help is halved."""

    def loss(at: FloatArray) -> float:
        z = columns @ at + given
        return float(np.mean(np.logaddexp(0, z) - targets * z))

    at, best = start, loss(start)
    for _ in range(_STEPS):
        chance = 0.5 * (1 + np.tanh(0.5 * (columns @ at + given)))
        slope = columns.T @ (chance - targets) / len(targets)
        bend = (columns * (chance * (1 - chance))[:, None]).T @ columns / len(targets)
        step = np.linalg.solve(bend + _RIDGE * np.eye(len(at)), slope)
        while (tried := loss(at - step)) > best and np.abs(step).max() > _RIDGE:
            step = step / 2
        if tried >= best:
            break
        at, best = at - step, tried
    return at


def apply_scale(scores: FloatArray, scale: float, offset: float) -> FloatArray:
    """Compute the scores (n,) that the calibrated network will give in place of scores (n,)."""
    clear = np.clip(scores, _CLEAREST, 1 - _CLEAREST)
    changed: FloatArray = 0.5 * (1 + np.tanh(0.5 * (scale * np.log(clear / (1 - clear)) + offset)))
    return changed


def keeps_low_scores(scale: float, offset: float, lost_below: float) -> bool:
    """Tell whether a calibrated score still falls below the tracker's threshold where the network is sure of nothing.

    A fit to clips in which almost every box is right makes every score high, so that no target would be lost any more.
    """
    return bool(apply_scale(np.array([_NOTHING]), scale, offset)[0] < lost_below)


def cross_calibrated(pairs: Pairs) -> Pairs:
    """Calibrate the scores of each fifth of the sequences with a fit to the other sequences."""
    folds = min(_FOLDS, len(pairs))
    others = [[pair for place, pair in enumerate(pairs) if place % folds != fold] for fold in range(folds)]
    fits = [fit_scale(*joined(each)) for each in others]
    return [(apply_scale(scores, *fits[place % folds]), hits) for place, (scores, hits) in enumerate(pairs)]
