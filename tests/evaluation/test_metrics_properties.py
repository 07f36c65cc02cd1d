"""What holds for any boxes: curves, plain-loop definitions, invariance."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mixformer.evaluation.metrics import CONVENTIONS, SequenceResult, compute_metrics
from mixformer.evaluation.metrics.frame_errors import center_error, exact_iou, precision_curve, success_curve

SHORT_TERM = ("pytracking", "otb", "got10k", "trackingnet")


def random_run(seed, name="s", frames=40):
    rng = np.random.default_rng(seed)
    truth = np.concatenate([rng.uniform(20, 200, (frames, 2)), rng.uniform(5, 80, (frames, 2))], axis=1)
    predicted = truth + rng.normal(0, 10, (frames, 4))
    predicted[:, 2:] = np.abs(predicted[:, 2:]) + 1
    truth[rng.random(frames) < 0.2] = np.nan
    truth[0] = [30, 30, 20, 20]
    scores = np.where(np.isnan(truth[:, 0]), rng.uniform(0, 0.7, frames), rng.uniform(0.3, 1, frames))
    return SequenceResult(name, predicted, truth, scores=scores, size=(240, 320))


def values_of(summary):
    return {name: pytest.approx(value, abs=1e-12, nan_ok=True) for name, value in summary.items()}


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_curves_are_monotone_and_numbers_are_fractions(seed):
    run = random_run(seed)
    for convention in CONVENTIONS:
        summary = compute_metrics(convention, [run], "uav123")
        for name, value in summary.items():
            if name in ("frames_to_lost", "frames_to_find", "false_finds"):
                assert value >= 0 or np.isnan(value)
            elif name != "threshold":
                assert 0 <= value <= 1 or np.isnan(value)
        for name, curve in summary.curves.items():
            assert curve.thresholds.shape == curve.values.shape
            assert (np.diff(curve.thresholds) >= 0).all()
            if convention in SHORT_TERM:
                steps = np.diff(curve.values)
                assert ((steps <= 0) if name == "success" else (steps >= 0)).all()


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_order_of_sequences_does_not_matter(seed):
    runs = [random_run(seed + i, f"s{i}", 20 + 7 * i) for i in range(3)]
    for convention in CONVENTIONS:
        forward, backward = compute_metrics(convention, runs), compute_metrics(convention, runs[::-1])
        assert dict(backward) == values_of(forward)
        assert set(backward.per_sequence) == {"s0", "s1", "s2"}


@given(st.integers(0, 10**6), st.sampled_from([0.25, 2.0, 8.0]), st.integers(-64, 64))
@settings(max_examples=15, deadline=None)
def test_overlap_follows_scale_and_shift(seed, scale, shift):
    run = random_run(seed)
    move = np.array([shift, -shift, 0, 0])
    changed = exact_iou(run.predicted * scale + move, run.truth * scale + move)
    np.testing.assert_allclose(changed, exact_iou(run.predicted, run.truth), atol=1e-9)
    moved = center_error(run.predicted + move, run.truth + move)
    np.testing.assert_allclose(moved, center_error(run.predicted, run.truth), atol=1e-9)


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_overlap_is_symmetric_and_bounded(seed):
    run = random_run(seed)
    for pixel in (0.0, 1.0):
        values = exact_iou(run.predicted, run.truth, pixel=pixel)
        np.testing.assert_array_equal(values, exact_iou(run.truth, run.predicted, pixel=pixel))
        finite = values[np.isfinite(values)]
        assert ((finite >= 0) & (finite <= 1 + 1e-12)).all()


@given(st.lists(st.sampled_from([np.nan, -np.inf, np.inf, -1.0, 0.0, 0.05, 0.3, 0.3001, 0.95, 1.0]), min_size=1))
def test_shares_are_counts(values):
    values, thresholds = np.array(values), np.linspace(0, 1, 21)
    np.testing.assert_array_equal(success_curve(values, thresholds), (values[:, None] > thresholds).mean(0))
    np.testing.assert_array_equal(precision_curve(values, thresholds), (values[:, None] <= thresholds).mean(0))
    assert success_curve(values, thresholds, 1)[0] == (values > 0).sum()


def loop_longterm(runs, threshold):
    """Precision and recall at one score threshold, frame by frame."""
    precisions, recalls = [], []
    for run in runs:
        shared, reported, present = 0.0, 0, 0
        for index in range(1, len(run.truth)):
            here = not np.isnan(run.truth[index]).any()
            present += here
            if run.scores[index] >= threshold:
                reported += 1
                boxes = [np.clip(np.round(b[index]), 0, None) for b in (run.predicted, run.truth)]
                shared += float(loop_overlap(*boxes, run.size)) if here else 0.0  # type: ignore[call-arg]
        precisions.append(shared / reported if reported else 1.0)
        recalls.append(shared / present)
    return np.mean(precisions), np.mean(recalls)


def loop_overlap(first, second, size):
    """Overlap of whole-pixel boxes by counting pixels."""
    masks = []
    for x, y, w, h in (first.astype(int), second.astype(int)):
        mask = np.zeros(size, bool)
        mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
        masks.append(mask)
    union = (masks[0] | masks[1]).sum()
    return (masks[0] & masks[1]).sum() / union if union else 0.0


def test_longterm_against_a_plain_loop():
    runs = [random_run(seed, f"s{seed}", 30 + seed) for seed in range(3)]
    summary = compute_metrics("longterm", runs)
    precision, recall, f = (summary.curves[name] for name in ("precision", "recall", "f"))
    for index in range(0, len(f.values), 7):
        expected = loop_longterm(runs, precision.thresholds[index])
        assert (precision.values[index], recall.values[index]) == pytest.approx(expected, abs=1e-9)
    assert summary["f"] == f.values.max()


def test_absence_against_a_plain_loop():
    runs = [random_run(seed, f"s{seed}") for seed in range(3)]
    summary = compute_metrics("absence", runs)
    recall, alarm = summary.curves["recall"], summary.curves["false_alarm"]
    for index in range(0, len(recall.thresholds), 9):
        threshold = recall.thresholds[index]
        lost = np.concatenate([run.scores[1:] < threshold for run in runs])
        absent = np.concatenate([np.isnan(run.truth[1:, 0]) for run in runs])
        assert recall.values[index] == pytest.approx((lost & absent).sum() / absent.sum())
        assert alarm.values[index] == pytest.approx((lost & ~absent).sum() / (~absent).sum())
