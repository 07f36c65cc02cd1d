"""Reading results of several trackers, and what is done about what is missing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mixformer.data import read_any
from mixformer.errors import ConfigError, DataError, SourceError
from mixformer.evaluation import write_result
from mixformer.evaluation.measuring import measure_results
from mixformer.evaluation.report.build_tables import by_attribute, overall
from mixformer.evaluation.report.plots import draw_plots
from mixformer.evaluation.result_folders import ResultFolder, find_results
from tests.helpers.report_maker import FRAMES, GROUPS, NAMES, make, make_comparison, moved, truth_of, write_boxes


@pytest.fixture
def made(tmp_path):
    return make(tmp_path)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("report"))


def test_numbers_of_trackers_worked_out_by_hand(comparison):
    ours, shifted, still = comparison.entries
    assert ours.summary["auc"] == pytest.approx(20 / 21)
    # The first frame counts as a hit (20 of 21 thresholds), the nine others have IoU 16 / 24: above 0 .. 0.65.
    assert shifted.summary["auc"] == pytest.approx((20 / 21 + 9 * 14 / 21) / 10)
    assert shifted.summary["op75"] == pytest.approx(0.1)
    assert still.summary["precision"] == pytest.approx(0.7)  # 3 pixels a frame: 18 after six
    assert [entry.tracker for entry in comparison.ranked] == ["ours", "shifted", "still"]
    assert (ours.fps, shifted.fps, still.fps) == (pytest.approx(100), pytest.approx(250), None)


def test_attributes_measure_their_own_sequences(made):
    write_boxes(made.folder("ours") / "dog.txt", np.repeat(truth_of(2)[:1], FRAMES, 0))
    found = made.compared(attributes={**GROUPS, "never": frozenset({"cat"})})
    ours, still = found.entries[0], found.entries[2]
    assert list(found.attributes) == list(GROUPS)
    assert ours.by_attribute["fast motion"] == pytest.approx(20 / 21)
    assert ours.by_attribute["occlusion"] == pytest.approx(still.by_attribute["occlusion"])
    table = by_attribute(found)
    assert [row[:2] for row in table.rows] == [("fast motion", "2"), ("occlusion", "1"), ("motion blur", "3")]
    assert found.hardest[0] == "dog"


def test_sequences_that_one_tracker_lacks_are_named_and_left_out_for_all(made):
    (made.folder("shifted") / "car.txt").unlink()
    (made.folder("still") / "dog.txt").write_text("1,2,3,4\n1,2,x,4\n")
    found = made.compared()
    assert [sequence.name for sequence in found.sequences] == ["bird", "fish"]
    assert all(set(entry.summary.per_sequence) == {"bird", "fish"} for entry in found.entries)
    notes = "\n".join(overall(found).notes)
    assert "2 of 4 sequences; 2 left out for all" in notes
    assert "shifted lacks car (no file)" in notes
    assert "dog.txt, line 2" in notes


def test_a_missing_sequence_can_count_as_tracked_nowhere(made):
    (made.folder("ours") / "car.txt").unlink()
    found = made.compared(missing="zero")
    ours = found.entries[0].summary
    assert len(found.sequences) == 4
    # Only the first frame counts, which the convention takes from the truth.
    assert ours.per_sequence["car"]["auc"] == pytest.approx(20 / 21 / FRAMES)
    assert ours["auc"] == pytest.approx((3 * 20 / 21 + 20 / 21 / FRAMES) / 4)
    assert "a sequence that a tracker lacks counts as tracked nowhere" in "\n".join(found.notes)


def test_what_the_convention_has_a_rule_for_is_used_and_told(made):
    write_boxes(made.folder("ours") / "car.txt", np.vstack([truth_of(1), truth_of(1)[-1:]]))
    write_boxes(made.folder("shifted") / "car.txt", np.full((FRAMES, 4), np.nan))
    found = made.compared()
    place = f"{made.folder('ours') / 'car.txt'}, line 11 is too much, 11 lines for 10 frames"
    assert found.entries[0].odd == {"car": place}
    assert found.entries[0].summary.per_sequence["bird"]["auc"] == pytest.approx(20 / 21)
    reason = found.entries[1].missing["car"]  # pytracking takes no NaN
    assert "car.txt, line 1 is no box" in reason
    assert "frame 0" in reason
    assert f"ours, odd but used: car ({place})" in found.notes


@pytest.mark.parametrize(
    ("convention", "change", "message"),
    [
        ("got10k", lambda boxes: boxes[:-2], "line 9 is missing, 8 lines for 10 frames: .*complete results only"),
        ("got10k", lambda boxes: np.vstack([boxes, boxes[:1]]), "line 11 is too much"),
        ("otb", lambda boxes: boxes[:-1], "line 10 is missing"),
        ("pytracking", lambda boxes: np.where(np.arange(10)[:, None] == 3, np.nan, boxes), "line 4 is no box"),
        ("pytracking", lambda boxes: boxes * (1, 1, -1, 1), "line 1 is a box of negative size"),
    ],
)
def test_what_the_convention_has_no_rule_for_is_named_by_file_and_line(made, convention, change, message):
    write_boxes(made.folder("ours") / "car.txt", change(truth_of(1)))
    found = measure_results("toy", find_results([str(made.results / "ours")], "toy"), read_any(made.root), convention)
    assert re.search(rf"car\.txt, {message}", found.entries[0].missing["car"])


def test_broken_scores_and_times_are_reasons_not_crashes(made):
    (made.folder("ours") / "car_score.txt").write_text("0.5\n")
    (made.folder("still") / "dog_time.txt").write_text("fast\n")
    found = made.compared()
    assert "car_score.txt" in found.entries[0].missing["car"]
    assert "dog" not in found.entries[2].missing  # boxes count without times
    assert "dog_time.txt, line 1" in found.entries[2].odd["dog"]


def test_pixels_counted_from_one_are_taken_off(made):
    for number, name in enumerate(NAMES):
        write_boxes(made.folder("ours") / f"{name}.txt", moved(truth_of(number), 1.0, 1.0))
    folder = ResultFolder("ours", made.folder("ours"), first_pixel=1.0)
    found = measure_results("toy", [folder], made.compared().sequences, "pytracking")
    assert found.entries[0].summary["op75"] == 1
    assert any("count from 1 in the files of ours" in note for note in found.notes)


def test_nothing_left_or_no_public_truth_is_an_error(made):
    for name in NAMES:
        (made.folder("still") / f"{name}.txt").unlink()
    (made.folder("still") / "cat.txt").write_text("1,2,3,4\n")
    with pytest.raises(DataError, match="no sequence of toy has usable results of every tracker; bird: no file"):
        made.compared()
    hidden = truth_of(0)
    hidden[1:] = np.nan
    write_boxes(made.root / "bird" / "groundtruth.txt", hidden)
    with pytest.raises(DataError, match="not public; pack the results"):
        made.compared()


def test_unknown_convention(made):
    with pytest.raises(ConfigError, match="choose from pytracking"):
        measure_results("toy", find_results([str(made.results)], "toy"), made.compared().sequences, "mine")


def test_folders_are_found_in_three_layouts(made):
    whole = find_results([str(made.results)], "Toy")
    assert [result.tracker for result in whole] == ["ours", "shifted", "still"]
    assert find_results([str(made.results / "ours")], "toy")[0].folder == made.folder("ours").resolve()
    straight = find_results([str(made.folder("ours")), f"theirs={made.folder('still')}"], "toy")
    assert [result.tracker for result in straight] == ["ours", "theirs"]


def test_layouts_and_names_of_other_code_are_read(tmp_path):
    write_boxes(tmp_path / "them" / "car" / "car_001.txt", truth_of(0))
    write_boxes(tmp_path / "them" / "uav_bike.txt", truth_of(0))
    (found,) = find_results([str(tmp_path / "them")], "uav123")
    assert found.boxes_file("car").name == "car_001.txt"
    assert found.boxes_file("bike") is None
    prefixed = ResultFolder(found.tracker, found.folder, prefix="uav_")
    assert prefixed.boxes_file("bike").name == "uav_bike.txt"
    assert prefixed.side_file("bike", "time") is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{0}/nowhere"], "is no folder"),
        (["{0}/empty"], "holds no results for toy"),
        (["one={0}"], "holds several trackers"),
        (["{0}/ours", "ours={0}/still"], "two trackers are called ours"),
    ],
)
def test_wrong_folders_are_explained(made, words, message):
    (made.results / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        find_results([word.format(made.results) for word in words], "toy")


def test_other_conventions_measure_the_same_results(made):
    words = [str(made.results / name) for name in ("ours", "shifted")]
    (made.folder("shifted") / "car.txt").unlink()
    folders, sequences = find_results(words, "toy"), made.compared(missing="zero").sequences
    found = measure_results("toy", folders, sequences, "got10k", missing="zero")
    ours, shifted = (entry.summary for entry in found.entries)
    assert ours["ao"] == pytest.approx(1)
    assert shifted["ao"] == pytest.approx(2 / 3 * 3 / 4)  # nothing at all for the sequence it lacks
    assert shifted.per_sequence["car"]["ao"] == 0
    assert found.main == found.sequence_metric == "ao"
    assert overall(found).columns[1].heading == "AO"
    assert measure_results("toy", folders, sequences, "trackingnet").entries[0].summary["auc"] == pytest.approx(0.975)


def test_absence_ranks_by_f_and_wants_few_false_alarms(made):
    for name in NAMES:
        text = "".join(f"{score}\n" for score in [1.0] * 8 + [0.2] * 2)
        (made.folder("ours") / f"{name}_score.txt").write_text(text)
        truth = truth_of(NAMES.index(name))
        truth[9] = np.nan
        write_boxes(made.root / name / "groundtruth.txt", truth)
    folders = find_results([str(made.results / "ours")], "toy")
    found = measure_results("toy", folders, read_any(made.root), "absence")
    values = found.entries[0].summary
    assert (values["precision"], values["recall"]) == (0.5, 1)
    columns = {column.heading: column.best for column in overall(found).columns}
    assert columns["false alarm"] == "low"
    assert columns["its threshold"] == ""
    assert set(draw_plots(found)) == {"precision", "recall", "f", "false_alarm", "reliability"}


def test_what_no_tracker_has_is_said_once(tmp_path):
    made = make(tmp_path)
    for tracker in ("ours", "shifted", "still"):
        (made.folder(tracker) / "dog.txt").unlink()
    (made.folder("still") / "fish.txt").unlink()
    notes = made.compared().notes
    assert "No tracker has results for dog (no file)" in notes
    assert "still lacks fish (no file)" in notes
    assert not any(note.startswith("ours lacks") for note in notes)


def test_absences_in_sequences_that_are_left_out_do_not_count(tmp_path):
    made = make(tmp_path)
    lines = (made.root / "dog" / "groundtruth.txt").read_text().splitlines()
    (made.root / "dog" / "groundtruth.txt").write_text("\n".join([*lines[:5], *["nan,nan,nan,nan"] * 5]) + "\n")
    assert made.compared().entries[0].besides
    (made.folder("still") / "dog.txt").unlink()
    assert not made.compared().entries[0].besides


def test_a_missing_sequence_reports_no_absence_and_has_no_scores(made):
    """With "zero" it had the score 0, which was right for its absent frames, and calibrated."""
    for name in ("bird", "car"):
        truth = np.loadtxt(made.root / name / "groundtruth.txt", delimiter=",")
        truth[3:9] = np.nan
        np.savetxt(made.root / name / "groundtruth.txt", truth, delimiter=",")
    boxes = np.loadtxt(made.root / "dog" / "groundtruth.txt", delimiter=",")
    for name in ("car", "dog", "fish"):
        write_result(made.folder("scored"), name, boxes, scores=np.full(10, 0.9))
    entry = made.compared(str(made.results / "scored"), missing="zero").entries[0]
    assert set(entry.missing) == {"bird"}
    assert set(entry.scores) == {"car", "dog", "fish"}
    assert entry.score_bins.counts.sum() == 27
    assert entry.besides["presence"].per_sequence["bird"]["maxgm"] == 0
    assert entry.besides["presence"].per_sequence["bird"]["nre"] == 0


def test_an_attribute_in_whose_sequences_nothing_counts_has_no_number(made):
    """It was an error of the whole comparison."""
    hidden = np.array([False] + [True] * (FRAMES - 1))
    sequences = [replace(each, hidden=hidden) if each.name == "car" else each for each in read_any(made.root)]
    groups = {name: frozenset(having) for name, having in {"a": {"bird"}, "b": {"car"}, "c": {"car", "fish"}}.items()}
    folders = find_results([str(made.results / "ours")], "toy")
    found = measure_results("toy", folders, sequences, "got10k", attributes=groups)
    assert found.entries[0].by_attribute == pytest.approx({"a": 1, "b": np.nan, "c": 1}, nan_ok=True)
    assert [row[2][0] for row in by_attribute(found).texts()] == ["100.0", "-", "100.0"]
    for figure in draw_plots(found).values():
        figure.canvas.draw()
