"""Confidence intervals of means over sequences, by the bootstrap: the sequences are drawn again many times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixformer.configs.argument_checks import checked
from mixformer.errors import ConfigError

_DRAWS, _AT_ONCE = 10_000, 2**22  # numbers that are drawn at once


@checked
def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of a mean over sequences by the percentile bootstrap; the same values give the same one.

    Args:
        values: one number for each sequence.
        level: probability (0..1) that the interval holds the mean over all sequences of this kind.

    Returns:
        Lower and upper end, or None for fewer than two finite values. Source: Efron and Tibshirani, "An Introduction to
        the Bootstrap", 1993, section 13.3.

    Example:
        >>> from mixformer.evaluation import mean_interval
        >>> low, high = mean_interval([0.5, 0.6, 0.7, 0.8])
        >>> round(low, 2), round(high, 2)
        (0.55, 0.75)
    """
    if not 0 < level < 1:
        raise ConfigError(f"level is a probability between 0 and 1, not {level:g}")
    known = np.asarray(values, np.float64)
    if len(known) < 2 or not np.isfinite(known).all():
        return None
    random, rows = np.random.default_rng(0), max(1, _AT_ONCE // len(known))
    parts = [min(rows, _DRAWS - done) for done in range(0, _DRAWS, rows)]
    means = np.concatenate([known[random.integers(0, len(known), (part, len(known)))].mean(1) for part in parts])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
