"""Lost and found: hand-made cases, a plain loop, and what holds for any tracker."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mixformer.errors import DataError
from mixformer.evaluation.metrics import SequenceResult, compute_metrics
from mixformer.evaluation.metrics.lost_found import max_geometric_mean, reported_absent
from mixformer.evaluation.report.qualitative import frame_label

BOX = (10.0, 20.0, 40.0, 30.0)
AWAY = (90.0, 90.0, 40.0, 30.0)
NAN = (math.nan,) * 4


def run(truth, said, name="s", **more):
    """A sequence from words: T the target's box, a half of it (IoU 1/3), A elsewhere, - nothing, and + - for truth."""
    boxes = {"T": BOX, "h": (30.0, 20.0, 40.0, 30.0), "A": AWAY, "l": BOX, "-": NAN}
    statuses = np.array(["lost" if sign == "l" else "tracking" for sign in said])
    more = {"statuses": statuses} | more
    return SequenceResult(
        name,
        np.array([boxes[sign] for sign in said]),
        np.array([BOX if sign == "+" else NAN for sign in truth]),
        size=(200, 200),
        **more,
    )


def test_by_hand():
    #          0         1         2
    #          0123456789012345678901
    truth = "+++++------------+++++"
    said = "TThAllAllllllllllllAhT"
    found = compute_metrics("presence", [run(truth, said)])
    # Present: frames 1 (T), 2 (h), 3 (A), 4 (lost), 17, 18 (lost), 19 (A), 20 (h), 21 (T).
    assert found["nre"] == pytest.approx(3 / 9)
    assert found["dre"] == pytest.approx(2 / 9)
    # Absent: 5 to 16, all but frame 6 reported absent.
    assert found["adq"] == pytest.approx(11 / 12)
    assert found["maxgm"] == pytest.approx(math.sqrt(2 / 9 * 11 / 12))
    assert found["frames_to_lost"] == 0
    assert found["frames_to_find"] == 4  # from frame 17 to 21: half a box is not found
    assert found["false_finds"] == pytest.approx(1000 / 12)
    assert dict(found.per_sequence["s"]) == dict(found)


def test_never_counts_as_never():
    # Three absences: declared after 2 frames, never, at once. Three returns: never, at once, and none at the end.
    found = compute_metrics("presence", [run("++---++--++--", "TTTTlllTTTTll")])
    assert found["frames_to_lost"] == 2
    assert math.isinf(found["frames_to_find"])  # the median of 0 and never
    never = compute_metrics("presence", [run("+--++", "TTTll")])
    assert math.isinf(never["frames_to_lost"])
    assert math.isinf(never["frames_to_find"])
    assert math.isnan(never["adq"])  # ten absent frames or fewer


def test_averages_and_pools():
    short, long = run("+++", "Tll", "short"), run("+" * 11 + "-" * 20, "T" * 11 + "l" * 5 + "A" * 15, "long")
    found = compute_metrics("presence", [short, long])
    assert found["nre"] == pytest.approx((1 + 0) / 2)  # a mean over sequences
    assert found["adq"] == pytest.approx(5 / 20)  # of the one that has it
    assert found["maxgm"] == pytest.approx(math.sqrt((10 / 12) / (4 * (1 - 5 / 20))))  # pooled; TNR below one half
    assert found["false_finds"] == pytest.approx(1000 / 20)


def test_without_absences_only_errors_of_present_frames_have_numbers():
    found = compute_metrics("presence", [run("++++", "TTlA")])
    assert [found["nre"], found["dre"]] == pytest.approx([1 / 3, 1 / 3])
    assert all(math.isnan(found[name]) for name in ("adq", "maxgm", "frames_to_lost", "frames_to_find", "false_finds"))


def test_what_reports_absence():
    plain = run("++++", "TT-T", scores=np.array([1, 0.49, 0.9, math.nan]), statuses=None)
    assert reported_absent(plain).tolist() == [False, True, True, False]
    told = replace(plain, statuses=np.array(["tracking", "uncertain", "tracking", "lost"]))
    assert reported_absent(told).tolist() == [False, False, True, True]  # the status decides, not the score
    assert reported_absent(replace(plain, scores=None)).tolist() == [False, False, True, False]


def test_hidden_targets_are_absent():
    visible = np.array([True, True, False, False])
    found = compute_metrics("presence", [run("++++", "TTll", visible=visible)])
    assert found["nre"] == 0
    assert found["maxgm"] == 1


def test_too_few_predictions_are_refused():
    with pytest.raises(DataError, match="3 predicted boxes for 4"):
        compute_metrics("presence", [run("++++", "TTT")])


@given(st.floats(0, 1), st.floats(0, 1))
def test_maxgm_is_the_largest_over_all_guesses(tpr, tnr):
    guesses = np.linspace(0, 1, 2001)
    tried = np.sqrt((1 - guesses) * tpr * ((1 - guesses) * tnr + guesses)).max()
    assert max_geometric_mean(tpr, tnr) == pytest.approx(tried, abs=1e-3)
    assert max_geometric_mean(tpr, tnr) >= tried - 1e-12


def loop_frames(each, tally):
    """Count the frames of one sequence one by one; predicted boxes are the true one, or far away."""
    here, said = ~np.isnan(each.truth[:, 0]), [str(word) != "lost" for word in each.statuses]
    for t in range(1, len(here)):
        right = said[t] and tuple(each.predicted[t]) == BOX
        tally["T" if right else "F" if said[t] else "M"] += bool(here[t])
        tally["H" if said[t] else "N"] += not here[t]
        tally["false"] += not here[t] and said[t] and not said[t - 1]


def loop_delays(each):
    """Frames to declare each absence and to find the target after it, by walking from where they begin."""
    here, said = list(~np.isnan(each.truth[:, 0])), [str(word) != "lost" for word in each.statuses]
    to_lost, to_find = [], []
    for begin in range(1, len(here)):
        if (begin > 1 and here[begin] == here[begin - 1]) or (begin == 1 and here[begin]):
            continue
        end = next((t for t in range(begin, len(here)) if here[t] != here[begin]), len(here))
        wanted = [
            said[t] and tuple(each.predicted[t]) == BOX if here[begin] else not said[t] for t in range(begin, end)
        ]
        (to_find if here[begin] else to_lost).append(wanted.index(True) if any(wanted) else math.inf)
    return to_lost, to_find


def loop(runs):
    """All numbers, from counts of single frames."""
    tallies = [dict.fromkeys(("T", "F", "M", "N", "H", "false"), 0) for _ in runs]
    for each, tally in zip(runs, tallies, strict=True):
        loop_frames(each, tally)
    seen = [tally["T"] + tally["F"] + tally["M"] for tally in tallies]
    gone = [tally["N"] + tally["H"] for tally in tallies]
    nre, dre = ([t[key] / n for t, n in zip(tallies, seen, strict=True) if n] for key in "MF")
    adq = [tally["N"] / n for tally, n in zip(tallies, gone, strict=True) if n > 10]
    tpr, tnr = sum(t["T"] for t in tallies) / sum(seen), sum(t["N"] for t in tallies) / sum(gone)
    maxgm = max(math.sqrt((1 - p) * tpr * ((1 - p) * tnr + p)) for p in np.linspace(0, 1, 2001))
    delays = [[delay for each in kind for delay in each] for kind in zip(*map(loop_delays, runs), strict=True)]
    medians = [float(np.median(each)) if each else math.nan for each in delays]
    means = [float(np.mean(each)) if each else math.nan for each in (nre, dre, adq)]
    return [*means, maxgm, *medians, 1000 * sum(t["false"] for t in tallies) / sum(gone)]


def random_words(seed, count=60):
    """Truth and answers in stretches; predicted boxes are the true one, or far away."""
    rng = np.random.default_rng(seed)
    truth = "+" + "".join(rng.choice(["+", "-"]) * int(rng.integers(1, 15)) for _ in range(20))[: count - 1]
    said = "T" + "".join(rng.choice(["T", "A", "l"]) * int(rng.integers(1, 6)) for _ in range(40))[: count - 1]
    size = min(len(truth), len(said))
    return truth[:size], said[:size]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=3, unique=True))
@settings(max_examples=40, deadline=None)
def test_against_a_plain_loop(seeds):
    runs = [run(*random_words(seed), name=f"s{seed}") for seed in seeds]
    seen = sum(int(each.present[1:].sum()) for each in runs)
    if 0 < seen < sum(len(each.truth) - 1 for each in runs):
        found = compute_metrics("presence", runs)
        assert list(found.values()) == pytest.approx(loop(runs), abs=1e-4, nan_ok=True)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_perfect_tracker_is_perfect_and_a_silent_one_misses_all(seed):
    truth, _ = random_words(seed)
    perfect = compute_metrics("presence", [run(truth, truth.replace("+", "T").replace("-", "l"))])
    expected = {"nre": 0, "dre": 0, "adq": 1, "maxgm": 1, "frames_to_lost": 0, "frames_to_find": 0, "false_finds": 0}
    assert all(value == expected[name] or math.isnan(value) for name, value in perfect.items())
    silent = compute_metrics("presence", [run(truth, "T" + "l" * (len(truth) - 1))])
    assert silent["nre"] in (1, pytest.approx(math.nan, nan_ok=True))
    assert silent["dre"] in (0, pytest.approx(math.nan, nan_ok=True))
    assert silent["frames_to_find"] in (math.inf, pytest.approx(math.nan, nan_ok=True))


def test_frames_of_a_report_say_what_the_tracker_says():
    statuses = np.array(["tracking", "uncertain", "lost"])
    assert [frame_label(number, statuses) for number in range(4)] == ["0", "1 uncertain", "2 lost", "3"]
    assert frame_label(2, None) == "2"
