"""How far the main numbers of a comparison can be trusted, in words.

Sequences differ much from each other, so the mean of a few changes by some points with the choice of sequences. Two
trackers are compared by their differences on the same sequences, which vary less than the means.
"""

from __future__ import annotations

import numpy as np

from mixformer.evaluation.comparison import ComparedTracker, Comparison
from mixformer.evaluation.intervals import mean_interval


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
