"""How far means over sequences can be trusted."""

import numpy as np
import pytest

from mixformer.evaluation import (
    ComparedTracker,
    Comparison,
    SequenceResult,
    compute_metrics,
    intervals,
    mean_interval,
)
from mixformer.evaluation.report.build_tables import overall
from mixformer.evaluation.report.interval_notes import interval_notes


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        low, high = mean_interval(draw.normal(0.6, 0.2, 18))
        held += low <= 0.6 <= high
    assert 0.87 <= held / 200 <= 0.98


def test_it_is_repeatable_and_shrinks_with_more_sequences():
    values = np.linspace(0.2, 0.9, 12)
    assert mean_interval(values) == mean_interval(values)
    (low, high), (lower, higher) = mean_interval(np.tile(values, 4)), mean_interval(values)
    assert lower < low < values.mean() < high < higher
    assert mean_interval([0.4, 0.4, 0.4]) == pytest.approx((0.4, 0.4))


@pytest.mark.parametrize("values", [[], [0.5], [0.5, float("nan")]])
def test_there_is_none_of_too_little(values):
    assert mean_interval(values) is None


def test_many_sequences_take_little_memory(monkeypatch):
    """All draws of nine thousand sequences at once took 1.5 GB."""
    values = np.random.default_rng(2).random(501)
    at_once = mean_interval(values)
    monkeypatch.setattr(intervals, "_AT_ONCE", 7919)
    assert mean_interval(values) == at_once


def comparison_of(convention, **shifts):
    """Trackers whose boxes lie so many pixels beside the target, one number for each sequence."""
    truth = np.array([[10.0, 20, 40, 30]] * 6)
    count = len(next(iter(shifts.values())))

    class Named:
        def __init__(self, name):
            self.name = name

        def __len__(self):
            return len(truth)

    def results(values):
        return [SequenceResult(f"s{n}", truth + np.array([shift, 0, 0, 0]), truth) for n, shift in enumerate(values)]

    entries = tuple(
        ComparedTracker(name, compute_metrics(convention, results(values)), {}) for name, values in shifts.items()
    )
    return Comparison("toy", entries, tuple(Named(f"s{n}") for n in range(count)), count, "zero")


def test_a_table_says_the_interval_and_whether_a_difference_is_noise():
    found = comparison_of("otb", ours=[0, 4, 8, 2], near=[1, 4, 7, 3], far=[20, 24, 28, 22])
    notes = overall(found).notes
    (line,) = [note for note in notes if note.startswith("95 % interval of AUC")]
    values = [found.entries[0].value(f"s{n}", "auc") for n in range(4)]
    low, high = mean_interval(values)
    assert f"ours {100 * low:.1f} to {100 * high:.1f}" in line
    assert notes[-1].startswith("Difference from ours: near ")
    near, far = notes[-1].split("; ")
    assert "within noise" in near
    assert "within noise" not in far


def test_a_number_that_is_no_mean_over_sequences_and_a_single_sequence_have_none():
    assert interval_notes(comparison_of("otb", ours=[3]), "AUC") == ()
    found = comparison_of("otb", ours=[0, 9])
    found.entries[0].summary.per_sequence["s0"]["auc"] += 0.1
    assert interval_notes(found, "AUC") == ()
