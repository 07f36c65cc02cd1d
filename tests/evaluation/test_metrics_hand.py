"""Each convention by hand, its perfect tracker, and its refusals."""

from pathlib import Path

import numpy as np
import pytest

from mixformer.data import VideoSequence
from mixformer.errors import ConfigError, DataError
from mixformer.evaluation.metrics import (
    CONVENTIONS,
    SequenceResult,
    compute_metrics,
    longterm,
    pytracking,
    vot_eao as vot,
)

TRUTH = np.array([[10.0, 20, 40, 30]] * 6)
HONEST = np.array([np.nan, 0.9, 0.8, 0.1, 0.9, 0.7])


def moved(x, frames=slice(1, None), truth=TRUTH):
    boxes = truth.copy()
    boxes[frames, 0] += x
    return boxes


def with_absence():
    truth = TRUTH.copy()
    truth[3] = np.nan
    return SequenceResult("s", TRUTH.copy(), truth, scores=HONEST, size=(100, 100))


def long_absence():
    """A perfect tracker of a target that is away for eleven frames."""
    truth = np.repeat(TRUTH[:1], 20, axis=0)
    truth[5:16] = np.nan
    statuses = np.where(np.isnan(truth[:, 0]), "lost", "tracking")
    return SequenceResult("s", np.repeat(TRUTH[:1], 20, axis=0), truth, statuses=statuses, size=(100, 100))


PERFECT = {
    "pytracking": {"auc": 20 / 21, "op50": 1, "op75": 1, "precision": 1, "norm_precision": 1},
    "otb": {"auc": 20 / 21, "op50": 1, "precision": 1},
    "got10k": {"ao": 1, "sr50": 1, "sr75": 1},
    "trackingnet": {"auc": 0.975, "precision": 1, "norm_precision": 1},
    "longterm": {"f": 1, "precision": 1, "recall": 1, "threshold": 0.7},
    "absence": {"f": 1, "precision": 1, "recall": 1, "false_alarm": 0, "best_f": 1, "best_threshold": 0.11},
    "presence": {
        "nre": 0,
        "dre": 0,
        "adq": 1,
        "maxgm": 1,
        "frames_to_lost": 0,
        "frames_to_find": 0,
        "false_finds": 0,
    },
    "vot": {"eao": 1, "accuracy": 799 / 800, "robustness": 1},
}


def perfect_run(convention):
    if convention in ("longterm", "absence"):
        return with_absence()
    if convention == "presence":
        return long_absence()
    truth = np.repeat(TRUTH[:1], 800, axis=0) if convention == "vot" else TRUTH
    return SequenceResult("s", truth.copy(), truth)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_perfect_tracker(convention):
    summary = compute_metrics(convention, [perfect_run(convention)])
    assert summary == pytest.approx(PERFECT[convention], abs=1e-12)
    assert summary.convention == convention
    assert CONVENTIONS[convention].main in summary
    assert summary.note == CONVENTIONS[convention].note
    assert list(summary.per_sequence) == ["s"]


@pytest.mark.parametrize("convention", ["pytracking", "otb"])
def test_shifted_by_half_a_width(convention):
    # Frames 1..5: IoU 20 / 60 = 1/3, above 0 .. 0.3 (7 thresholds); centers 20 px and 0.5 widths apart.
    summary = compute_metrics(convention, [SequenceResult("s", moved(20), TRUTH)])
    assert summary["auc"] == pytest.approx((20 / 21 + 5 * 7 / 21) / 6)
    assert summary["op50"] == pytest.approx(1 / 6)
    assert summary["precision"] == 1  # 20 px is within 20 px
    assert compute_metrics(convention, [SequenceResult("s", moved(20.01), TRUTH)])["precision"] == pytest.approx(1 / 6)
    if convention == "pytracking":
        assert summary["norm_precision"] == pytest.approx(1 / 6)
        assert summary.curves["norm_precision"].values[-1] == 1


def test_overlap_on_a_threshold_is_not_above_it():
    half = TRUTH.copy()
    half[:, 2] = 20  # IoU exactly 0.5
    for convention, name in (("otb", "op50"), ("got10k", "sr50")):
        hits = compute_metrics(convention, [SequenceResult("s", half, TRUTH)])[name]
        assert hits == pytest.approx(1 / 6 if convention == "otb" else 0)


def test_got10k_pools_frames_not_sequences():
    long = SequenceResult("long", np.repeat(TRUTH, 2, axis=0), np.repeat(TRUTH, 2, axis=0))
    short = SequenceResult("short", moved(20), TRUTH)
    summary = compute_metrics("got10k", [long, short])
    assert summary["ao"] == pytest.approx((11 * 1 + 5 / 3) / 16)
    assert summary.per_sequence["short"]["ao"] == pytest.approx(1 / 3)
    assert summary["sr75"] == pytest.approx(11 / 16)


def test_got10k_leaves_out_frames_without_cover_and_boxes_of_nan_miss():
    predicted = moved(20)
    predicted[2] = np.nan
    cover = np.array([8, 8, 8, 0, 0, 4])
    run = SequenceResult("s", predicted, TRUTH, visible_ratio=cover)
    assert compute_metrics("got10k", [run])["ao"] == pytest.approx((1 / 3 + 0 + 1 / 3) / 3)
    unseen = SequenceResult("unseen", TRUTH, TRUTH, visible_ratio=np.zeros(6))
    both = compute_metrics("got10k", [run, unseen])
    assert both["ao"] == pytest.approx(2 / 9)
    assert np.isnan(both.per_sequence["unseen"]["ao"])
    with pytest.raises(DataError, match="no frame after the first shows the target"):
        compute_metrics("got10k", [unseen])


def test_got10k_clips_without_changing_its_input():
    outside = TRUTH.copy()
    outside[:, 0] = 70  # 40 wide in a frame 90 wide: 20 remain
    predicted = outside.copy()
    predicted[:, 2] = 1000
    kept = predicted.copy()
    run = SequenceResult("s", predicted, outside, size=(100, 90))
    assert compute_metrics("got10k", [run])["ao"] == pytest.approx(1)
    np.testing.assert_array_equal(predicted, kept)


def test_trackingnet_rounds_and_takes_areas():
    summary = compute_metrics("trackingnet", [SequenceResult("s", moved(0.49), TRUTH)])
    assert summary["auc"] == pytest.approx(0.975)
    # 10 px: within 10, 12.5 .. 50, that is 17 of 21 points; the area is 16.5 of 20 steps.
    summary = compute_metrics("trackingnet", [SequenceResult("s", moved(10.2), TRUTH)])
    assert summary["precision"] == pytest.approx((1 + 5 * 16.5 / 20) / 6)
    # 0.25 widths: within 0.25, 0.275 .. 0.5: 11 points, 10.5 steps.
    assert summary["norm_precision"] == pytest.approx((1 + 5 * 10.5 / 20) / 6)


def test_trackingnet_misses_what_is_missing():
    full = compute_metrics("trackingnet", [SequenceResult("s", TRUTH[:3], TRUTH)])
    assert full["auc"] == pytest.approx(0.975 / 2)
    assert full["precision"] == pytest.approx(0.5)
    longer = np.concatenate([TRUTH, moved(99)])
    assert compute_metrics("trackingnet", [SequenceResult("s", longer, TRUTH)])["precision"] == 1


def test_rules_for_frames_without_the_target():
    truth = TRUTH.copy()
    truth[3] = np.nan
    visible = np.array([True, True, False, False, True, True])
    run = SequenceResult("s", TRUTH.copy(), truth, visible)
    lasot, uav, other = (compute_metrics("pytracking", [run], name) for name in ("lasot", "uav123", "nfs"))
    for values in (lasot, uav, other):
        assert values["op50"] == pytest.approx(4 / 6)
    assert (lasot["precision"], uav["precision"], other["precision"]) == pytest.approx((4 / 6, 1, 4 / 6))
    assert (lasot["norm_precision"], uav["norm_precision"]) == pytest.approx((4 / 6, 1))
    assert other["norm_precision"] == pytest.approx(1)


def test_empty_predictions_repeat_the_one_before():
    truth, predicted = TRUTH.copy(), moved(20)
    predicted[2:4] = 0
    repeated = pytracking.frame_errors(SequenceResult("s", predicted, truth)).iou
    assert repeated == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    truth[2] = np.nan  # uav: the frame without annotation stays empty, and so does the next
    found = pytracking.frame_errors(SequenceResult("s", predicted, truth), "uav").iou
    assert found == pytest.approx([1, 1 / 3, -1, 0, 1 / 3, 1 / 3])
    cut = pytracking.frame_errors(SequenceResult("s", moved(20)[:4], TRUTH)).iou
    assert cut == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_hits_in_invalid_frames_exceed_one_when_those_are_left_out_of_the_count():
    truth = TRUTH.copy()
    truth[3] = np.nan
    run = SequenceResult("s", TRUTH, truth)
    assert pytracking.measure([run], "uav", exclude_invalid=True).values["precision"] == pytest.approx(6 / 5)
    with pytest.raises(DataError, match="no valid frame"):
        pytracking.measure([SequenceResult("s", TRUTH, TRUTH * np.nan)], exclude_invalid=True)


def test_longterm_by_hand():
    truth = TRUTH.copy()
    truth[4:] = np.nan
    scores = np.array([1.0, 0.9, 0.8, 0.2, 0.8, 0.1])
    run = SequenceResult("s", moved(30, [3]), truth, scores=scores)
    summary = compute_metrics("longterm", [run])
    # At 0.8: frames 1, 2, 4 reported with overlaps 1, 1, 0; three frames hold the target. At 0.9 F is 1/2.
    assert summary == pytest.approx({"f": 2 / 3, "precision": 2 / 3, "recall": 2 / 3, "threshold": 0.8})
    assert summary.per_sequence["s"]["f"] == pytest.approx(2 / 3)
    precision, recall = summary.curves["precision"], summary.curves["recall"]
    assert (precision.values[-1], recall.values[-1]) == (1, 0)  # nothing reported
    assert recall.values[0] == pytest.approx((1 + 1 + 1 / 7) / 3)


def test_longterm_leaves_a_sequence_without_target_out_of_recall():
    gone = TRUTH.copy()
    gone[1:] = np.nan
    quiet = SequenceResult(
        "gone", TRUTH * [[1.0]] + np.where(np.arange(6)[:, None] > 0, np.nan, 0), gone, scores=HONEST
    )
    summary = compute_metrics("longterm", [with_absence(), quiet])
    assert summary["f"] == pytest.approx(1)
    assert np.isnan(summary.per_sequence["gone"]["recall"])


def test_absence_by_hand():
    truth = np.repeat(TRUTH[:1], 9, axis=0)
    predicted = truth.copy()
    truth[5:8] = np.nan
    predicted[7] = np.nan  # no box: lost whatever the score
    scores = np.array([np.nan, 0.9, 0.4, 0.5, np.nan, 0.2, 0.6, 0.9, 0.8])
    summary = compute_metrics("absence", [SequenceResult("s", predicted, truth, scores=scores)])
    # Lost at 0.5: frames 2 (wrong), 5 and 7 (right); 6 is missed. 0.5 itself and no score are not lost.
    assert summary["precision"] == pytest.approx(2 / 3)
    assert summary["recall"] == pytest.approx(2 / 3)
    assert summary["f"] == pytest.approx(2 / 3)
    assert summary["false_alarm"] == pytest.approx(1 / 5)
    assert summary["best_f"] == pytest.approx(4 / 5)  # below 0.21 .. 0.4: frames 5 and 7 alone
    assert summary["best_threshold"] == pytest.approx(0.21)


def test_absence_without_absent_frames_has_no_f_but_false_alarms():
    summary = compute_metrics("absence", [SequenceResult("s", TRUTH, TRUTH, scores=HONEST)])
    assert np.isnan(summary["f"])
    assert np.isnan(summary["recall"])
    assert summary["false_alarm"] == pytest.approx(1 / 5)


def vot_run(name, count, lost_from=None, absent=()):
    truth = np.repeat(TRUTH[:1], count, axis=0)
    predicted = truth.copy()
    if lost_from is not None:
        predicted[lost_from:, 0] += 500
    truth[list(absent)] = np.nan
    return SequenceResult(name, predicted, truth, size=(1000, 1000))


def test_vot_failure_needs_ten_frames():
    rules = vot.AnchorProtocol()
    assert vot.anchor_run(vot_run("s", 30, 20), rules).followed == 20
    assert vot.anchor_run(vot_run("s", 30, 21), rules).followed == 30  # nine low frames at the end
    assert vot.anchor_run(vot_run("s", 40, 20, absent=[25]), rules).followed == 26  # absence begins the count anew
    assert vot.anchor_run(vot_run("s", 5, 1), rules).followed == 5


def test_vot_by_hand():
    runs = [vot_run("s_00000000", 100), vot_run("s_00000050", 51, 21)]
    found = vot.measure(runs, protocol=vot.AnchorProtocol(low=10, high=61))
    assert found.per_sequence == {"s": {"accuracy": (99 + 20) / (100 + 21), "robustness": 121 / 151}}
    curve = found.curves["expected_overlap"].values
    assert curve[20] == pytest.approx(1)
    assert curve[40] == pytest.approx((1 + 20 / 40) / 2)
    assert curve[60] == pytest.approx((1 + 20 / 59) / 2)  # the failed run is shorter than 60: divided by j - 1
    assert found.values["eao"] == pytest.approx(curve[10:61].mean())


def test_vot_weighs_sequences():
    runs = [vot_run("a_00000000", 30, 10), vot_run("b_00000000", 90), vot_run("b_00000089", 90)]
    found = vot.measure(runs, protocol=vot.AnchorProtocol(low=1, high=20))
    assert found.values["robustness"] == pytest.approx((30 * (10 / 30) + 90) / 120)
    assert found.values["accuracy"] == pytest.approx((9 + 2 * 89) / (10 + 180))


@pytest.mark.parametrize(
    ("name", "dataset", "rules"),
    [("lasot", "LaSOT", "lasot"), ("uav", "UAV123", "uav"), ("ext", "lasot_ext", "generic"), ("own", "", "generic")],
)
def test_rules_of_data_sets(name, dataset, rules):
    assert pytracking.rules_of(dataset) == rules


PLAIN = SequenceResult("s", TRUTH, TRUTH)
BROKEN = {
    "unknown": (ConfigError, "no convention 'auc'; choose from pytracking", "auc", [PLAIN]),
    "nothing": (DataError, "no sequences", "pytracking", []),
    "twice": (DataError, "s was given twice", "otb", [PLAIN] * 2),
    "nan": (DataError, "s: predicted box of frame 2", "pytracking", [SequenceResult("s", moved(np.nan, 2), TRUTH)]),
    "negative": (DataError, "s: predicted box of frame 0", "pytracking", [SequenceResult("s", -TRUTH, TRUTH)]),
    "short otb": (DataError, "3 predicted boxes for 6", "otb", [SequenceResult("s", TRUTH[:3], TRUTH)]),
    "short got10k": (DataError, "3 predicted boxes for 6", "got10k", [SequenceResult("s", TRUTH[:3], TRUTH)]),
    "long vot": (DataError, "6 predicted boxes for 3", "vot", [SequenceResult("s", TRUTH, TRUTH[:3])]),
    "no score": (
        DataError,
        "s: this convention measures the tracker's score",
        "longterm",
        [SequenceResult("s", TRUTH, TRUTH)],
    ),
    "only nan": (DataError, "score", "absence", [SequenceResult("s", TRUTH, TRUTH, scores=np.full(6, np.nan))]),
    "short absence": (
        DataError,
        "3 scores for 6",
        "absence",
        [SequenceResult("s", TRUTH[:3], TRUTH, scores=HONEST[:3])],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_refusals(case):
    kind, message, convention, runs = BROKEN[case]
    with pytest.raises(kind, match=message):
        compute_metrics(convention, runs)


def test_lasot_refuses_what_the_official_tool_refuses():
    with pytest.raises(DataError, match="3 predicted boxes for 6 annotated frames; lasot"):
        compute_metrics("pytracking", [SequenceResult("s", TRUTH[:3], TRUTH, np.ones(6, bool))], "lasot")
    with pytest.raises(DataError, match=r"full_occlusion\.txt"):
        compute_metrics("pytracking", [SequenceResult("s", TRUTH, TRUTH)], "lasot")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": TRUTH[:, :3]}, r"truth must be \(n, 4\)"),
        ({"predicted": TRUTH.ravel()}, r"predicted must be \(n, 4\)"),
        ({"truth": TRUTH[:0]}, "no annotated frame"),
        ({"visible": np.ones(5, bool)}, "visible has shape"),
        ({"scores": np.ones(7)}, "scores has shape"),
        ({"visible_ratio": np.ones(7)}, "visible_ratio has shape"),
    ],
)
def test_runs_that_do_not_fit(change, message):
    with pytest.raises(DataError, match=message):
        SequenceResult(**{"name": "s", "predicted": TRUTH, "truth": TRUTH, **change})


def test_thresholds_at_most_hundred():
    assert len(longterm.score_thresholds(np.random.default_rng(0).random(5000))) == 100


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
def test_marks_of_0_and_1_are_those_of_false_and_true(kind):
    """The opposite of a whole number was another one, which chose other frames, or none that there are."""
    marks = np.array([0, 0, 1, 1, 0, 0])
    wanted = compute_metrics("pytracking", [SequenceResult("s", moved(3), TRUTH, marks == 1)])
    found = compute_metrics("pytracking", [SequenceResult("s", moved(3), TRUTH, marks.astype(kind))])
    assert dict(found) == dict(wanted)
    frames = [Path(f"{number}.png") for number in range(6)]
    sequence = VideoSequence("s", frames, TRUTH, hidden=marks.astype(kind))
    assert sequence.hidden.dtype == bool
    assert sequence.visible.tolist() == [0, 1, 4, 5]
