"""Every array and number of the reference files."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mixformer.evaluation.metrics import SequenceResult, compute_metrics, longterm, pytracking, toolkit, vot_eao as vot
from mixformer.evaluation.metrics.frame_errors import (
    IOU_THRESHOLDS,
    PIXEL_THRESHOLDS,
    SIZE_THRESHOLDS,
    center_error,
    clip_boxes,
    precision_curve,
    success_curve,
)

REFERENCES = Path(__file__).parent / "references"
SCORES = json.loads((REFERENCES / "scores.json").read_text())
ANALYSIS = SCORES["analysis"]
NAMED = {
    "auc": "AUC",
    "op50": "OP50",
    "op75": "OP75",
    "precision": "Precision",
    "norm_precision": "NormPrecision",
}
CURVES = {
    "success": "success_curve",
    "precision": "precision_curve",
    "norm_precision": "norm_precision_curve",
}
SIZE = (240, 320)


@cache
def arrays():
    with np.load(REFERENCES / "sequences_and_curves.npz") as file:
        return {key: file[key] for key in file.files}


@cache
def vot_arrays():
    with np.load(REFERENCES / "vot.npz") as file:
        return {key: file[key] for key in file.files}


def tracked(sequence, tracker):
    data = arrays()
    return SequenceResult(
        sequence,
        data[f"{sequence}/pred_{tracker}"],
        data[f"{sequence}/gt"],
        data.get(f"{sequence}/target_visible"),
    )


SEQUENCES = sorted({name for group in ANALYSIS.values() for name in group["sequences"]})
TRACKERS = ["good", "good_int", "bad", "bad_int", "edge", "edge_int"]


def test_thresholds_are_bit_equal():
    data = arrays()
    np.testing.assert_array_equal(pytracking.SUCCESS_THRESHOLDS, data["threshold_set_overlap"])
    np.testing.assert_array_equal(PIXEL_THRESHOLDS, data["threshold_set_center"])
    np.testing.assert_array_equal(SIZE_THRESHOLDS, data["threshold_set_center_norm"])


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("tracker", TRACKERS)
def test_frames(sequence, tracker):
    found = pytracking.frame_errors(tracked(sequence, tracker), sequence.split("-")[0])
    data, key = arrays(), f"{sequence}/{tracker}"
    np.testing.assert_array_equal(found.valid, data[f"{key}/valid"])
    for name, values in (("iou", found.iou), ("center", found.center), ("center_norm", found.relative)):
        np.testing.assert_allclose(values, data[f"{key}/{name}"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("group", ANALYSIS)
def test_curves_and_scores(group):
    expected, exclude = ANALYSIS[group], group.endswith("True")
    for number, tracker in enumerate(expected["trackers"]):
        parts = [
            pytracking.measure(
                [tracked(name, tracker.removesuffix("_float"))], name.split("-")[0], exclude_invalid=exclude
            )
            for name in expected["sequences"]
        ]
        for curve, key in CURVES.items():
            mean = np.mean([part.curves[curve].values for part in parts], axis=0)
            # The reference keeps its curves in float32.
            np.testing.assert_allclose(100 * mean, arrays()[f"{group}/{key}"][number], rtol=3e-7, atol=1e-5)
        for name, key in NAMED.items():
            assert 100 * np.mean([part.values[name] for part in parts]) == pytest.approx(
                expected[key][number], rel=1e-6, abs=1e-5
            )


@pytest.mark.parametrize("group", [name for name in ANALYSIS if "all" not in name and name.endswith("False")])
def test_evaluate_averages_the_sequences(group):
    expected, dataset = ANALYSIS[group], group.split("/")[0]
    for number, tracker in enumerate(expected["trackers"]):
        runs = [tracked(name, tracker.removesuffix("_float")) for name in expected["sequences"]]
        summary = compute_metrics("pytracking", runs, dataset)
        for name, key in NAMED.items():
            assert 100 * summary[name] == pytest.approx(expected[key][number], rel=1e-6, abs=1e-5)
        assert list(summary.per_sequence) == expected["sequences"]


@pytest.mark.parametrize("group", [name for name in ANALYSIS if name.endswith("False")])
def test_mean_overlap_of_valid_frames(group):
    expected = ANALYSIS[group]
    for sequence, row in zip(expected["sequences"], expected["avg_overlap_all"], strict=True):
        for tracker, mean in zip(expected["trackers"], row, strict=True):
            errors = pytracking.frame_errors(tracked(sequence, tracker.removesuffix("_float")), sequence.split("-")[0])
            assert errors.iou[errors.valid].mean() == pytest.approx(mean, abs=1e-9)


def got10k_run(number, tracker, size=SIZE):
    data, key = arrays(), f"got10k/g{number}"
    return SequenceResult(
        f"g{number}", data[f"{key}/pred_{tracker}"], data[f"{key}/gt"], visible_ratio=data[f"{key}/cover"], size=size
    )


@pytest.mark.parametrize("tracker", ["A", "B"])
def test_got10k(tracker):
    expected = SCORES["got10k_0.1.3"][tracker]
    summary = compute_metrics("got10k", [got10k_run(number, tracker) for number in range(3)])
    assert summary["ao"] == pytest.approx(expected["overall"]["ao"], abs=1e-12)
    assert summary["sr50"] == pytest.approx(expected["overall"]["sr"], abs=1e-12)
    assert summary["sr75"] == pytest.approx(expected["overall"]["succ_curve"][75], abs=1e-12)
    np.testing.assert_allclose(summary.curves["success"].values, expected["overall"]["succ_curve"], atol=1e-12)
    for name, row in expected["seq_wise"].items():
        assert summary.per_sequence[name]["ao"] == pytest.approx(row["ao"], abs=1e-12)
        assert summary.per_sequence[name]["sr50"] == pytest.approx(row["sr"], abs=1e-12)


@pytest.mark.parametrize("tracker", ["A", "B"])
@pytest.mark.parametrize("number", range(3))
def test_got10k_frames(number, tracker):
    run, key = got10k_run(number, tracker), f"got10k/g{number}/{tracker}"
    bounded = toolkit.toolkit_iou(*(clip_boxes(boxes, SIZE)[1:] for boxes in (run.predicted, run.truth)))
    np.testing.assert_array_equal(bounded, arrays()[f"{key}/iou_bounded_from_frame1"])
    free = toolkit.toolkit_iou(run.predicted, run.truth)
    np.testing.assert_array_equal(free, arrays()[f"{key}/iou_unbounded"])
    errors = center_error(run.predicted, run.truth)
    np.testing.assert_array_equal(errors, arrays()[f"{key}/center_error"])
    if tracker == "A":
        success, precision = (arrays()[f"got10k_otb/g{number}/A/{name}_curve"] for name in ("succ", "prec"))
        np.testing.assert_array_equal(success_curve(free, IOU_THRESHOLDS), success)
        np.testing.assert_array_equal(precision_curve(errors, PIXEL_THRESHOLDS), precision)


def test_vot_toolkit():
    data = vot_arrays()
    names = [key.removesuffix("/truth") for key in data if key.endswith("/truth")]
    runs = [SequenceResult(name, data[f"{name}/predicted"], data[f"{name}/truth"], size=SIZE) for name in names]
    rules = vot.AnchorProtocol(low=60, high=140)
    for run in runs:
        overlaps = vot.region_iou(run)
        np.testing.assert_allclose(overlaps[1:], data[f"{run.name}/overlap"][1:], atol=1e-12)
        assert vot.anchor_run(run, rules).followed == data[f"{run.name}/followed"]
    found = vot.measure(runs, protocol=rules)
    rows = [found.values, found.per_sequence["a"], found.per_sequence["b"]]
    np.testing.assert_allclose([value for row in rows for value in row.values()], data["numbers"], atol=1e-12)
    np.testing.assert_allclose(found.curves["expected_overlap"].values, data["curve"], atol=1e-12)


def test_longterm_thresholds_of_the_toolkit():
    data = vot_arrays()
    np.testing.assert_array_equal(longterm.score_thresholds(data["scores"])[::-1], data["thresholds"])
    np.testing.assert_array_equal(longterm.score_thresholds(data["scores"][:30])[::-1], data["thresholds_of_30"])
