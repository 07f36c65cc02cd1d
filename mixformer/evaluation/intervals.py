"""Confidence intervals of means over sequences, by the bootstrap: the sequences are drawn again many times.

Sequences differ much from each other, so the mean of a few changes by some points with the choice of sequences. Two
trackers are compared by their differences on the same sequences, which vary less than the means.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixformer.evaluation.comparison import ComparedTracker, Comparison

_DRAWS = 10_000


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
    known = np.asarray(values, np.float64)
    if len(known) < 2 or not np.isfinite(known).all():
        return None
    means = known[np.random.default_rng(0).integers(0, len(known), (_DRAWS, len(known)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def interval_notes(comparison: Comparison, metric: str) -> tuple[str, ...]:
    """Say how far the main numbers can be trusted: a line for the trackers, and one for the differences from the best.

    There are none for a metric that is no mean over sequences, and for a single sequence. `metric` is its word in
    tables.
    """
    values = {entry.tracker: _by_sequence(entry, comparison) for entry in comparison.ranked}
    found = {name: interval for name, numbers in values.items() if (interval := mean_interval(numbers))}
    if not found:
        return ()
    parts = [f"{name} {_percents(interval)}" for name, interval in found.items()]
    means = f"95 % interval of {metric} (bootstrap over sequences): {'; '.join(parts)}."
    best, *others = found
    apart = []
    for name in others:
        differences = [a - b for a, b in zip(values[name], values[best], strict=True)]
        interval = mean_interval(differences)
        assert interval is not None  # as many numbers as the trackers have
        noise = ", within noise" if interval[1] >= 0 else ""
        apart.append(f"{name} {100 * np.mean(differences):+.1f} ({_percents(interval)}{noise})")
    return (means, f"Difference from {best}: {'; '.join(apart)}.") if apart else (means,)


def _by_sequence(entry: ComparedTracker, comparison: Comparison) -> list[float]:
    """Return the main metric of each sequence if its mean is the tracker's number; else nothing."""
    values = [entry.value(sequence.name, comparison.main) for sequence in comparison.sequences]
    known = [value for value in values if value is not None]
    whole = len(known) == len(values) > 1 and abs(np.mean(known) - entry.summary[comparison.main]) < 1e-9
    return known if whole else []


def _percents(interval: tuple[float, float]) -> str:
    return " to ".join(f"{100 * end:.1f}" for end in interval)
