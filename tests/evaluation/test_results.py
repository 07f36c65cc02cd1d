"""Raw result files: written whole, read in any dress, refused with file and line."""

import numpy as np
import pytest

from mixformer.errors import DataError, OutputError
from mixformer.evaluation.result_files import read_column, read_result, read_result_boxes, write_result

BOXES = np.array([[1.23456, 2.0, 30.5, 40.25], [-3.7, 2.9, 31.0, 41.0], [5.0, 6.0, 32.0, 42.0]])
TIMES = np.array([0.5, 0.01, 0.02])
SCORES = np.array([np.nan, 0.75, 0.5])


def test_round_trip(tmp_path):
    folder = tmp_path / "tracker" / "set"
    write_result(folder, "s", BOXES, TIMES, SCORES)
    assert (folder / "s.txt").read_text().splitlines()[0] == "1.2346,2.0000,30.5000,40.2500"
    assert sorted(p.name for p in folder.iterdir()) == ["s.txt", "s_score.txt", "s_time.txt"]
    found = read_result(folder, "s", 3)
    np.testing.assert_allclose(found.boxes, BOXES, atol=5.1e-5)
    np.testing.assert_allclose(found.times, TIMES)
    np.testing.assert_allclose(found.scores, SCORES)


def test_integers_are_cut_towards_zero(tmp_path):
    write_result(tmp_path, "s", BOXES, truncate=True)
    assert (tmp_path / "s.txt").read_text() == "1,2,30,40\n-3,2,31,41\n5,6,32,42\n"
    found = read_result(tmp_path, "s")
    np.testing.assert_array_equal(found.boxes, BOXES.astype(int))
    assert found.times is None
    assert found.scores is None


def test_scores_of_an_earlier_run_are_not_left(tmp_path):
    write_result(tmp_path, "s", BOXES, TIMES, SCORES)
    write_result(tmp_path, "s", BOXES, TIMES)
    assert read_result(tmp_path, "s").scores is None


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3,4\n5,6,7,8\n",
        "1\t2\t3\t4\n5\t6\t7\t8",
        "1 2 3 4\r\n5 6 7 8\r\n",
        "1;2;3;4\n5;6;7;8\n\n\n",
        "1, 2, 3, 4\n5.0\t6 ; 7e0,8\n",
        "\ufeff1,2,3,4,\n5,6,7,8,\n",
    ],
)
def test_any_separator(tmp_path, text):
    path = tmp_path / "s.txt"
    path.write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_result_boxes(path, 2), [[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"s\.txt is empty"),
        ("\n \n", r"s\.txt is empty"),
        ("1,2,3,4\n1,2,3\n", r"s\.txt, line 2 holds 3 numbers instead of 4.*comma, tab, space or semicolon"),
        ("1,2,3,4,5\n", r"line 1 holds 5 numbers"),
        ("1|2|3|4\n", r"line 1: could not convert string to float"),
        ("1,2,3,4\n\n1,2,3,4\n", r"line 2 is empty"),
        ("1,2,3,4\nnan,nan,nan,nan\n", r"line 2: \[nan, nan, nan, nan\] is not a box"),
        ("1,2,inf,4\n", r"line 1: \[1.0, 2.0, inf, 4.0\] is not a box"),
        ("1,2,3,4\n", r"line 2 is missing: 1 line for 2 frames"),
        ("1,2,3,4\n" * 4, r"line 3 is one too many: 4 lines for 2 frames"),
        ("x y w h\n1,2,3,4\n", r"line 1: could not convert"),
    ],
)
def test_broken_files(tmp_path, text, message):
    path = tmp_path / "s.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_result_boxes(path, 2)


def test_nan_means_no_box_only_when_allowed(tmp_path):
    path = tmp_path / "s.txt"
    path.write_text("1,2,3,4\nnan,nan,nan,nan\n")
    assert np.isnan(read_result_boxes(path, allow_nan=True)[1]).all()
    assert np.isnan(read_result(tmp_path, "s", 2, allow_nan=True).boxes[1]).all()
    path.write_text("inf,2,3,4\n")
    with pytest.raises(DataError, match="line 1"):
        read_result_boxes(path, allow_nan=True)


def test_unreadable_files(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_result_boxes(tmp_path / "none.txt")
    (tmp_path / "s.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read"):
        read_result_boxes(tmp_path / "s.txt")


def test_side_files_must_fit(tmp_path):
    write_result(tmp_path, "s", BOXES, TIMES, SCORES)
    (tmp_path / "s_score.txt").write_text("0.5\n0.5\n")
    with pytest.raises(DataError, match=r"s_score\.txt, line 3 is missing"):
        read_result(tmp_path, "s")
    (tmp_path / "s_score.txt").write_text("0.5,0.5\n0.5\n")
    with pytest.raises(DataError, match=r"s_score\.txt, line 1 holds 2 numbers instead of 1"):
        read_column(tmp_path / "s_score.txt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": BOXES[:, :3]}, r"\(n, 4\) boxes"),
        ({"boxes": BOXES[:0]}, r"\(n, 4\) boxes"),
        ({"boxes": np.where(BOXES == 5, np.nan, BOXES)}, "the box of frame 2"),
        ({"times": TIMES[:2]}, "times of shape"),
        ({"scores": SCORES[:2]}, "scores of shape"),
        ({"name": "../s"}, "cannot be a file name"),
        ({"name": "a\\b"}, "cannot be a file name"),
        ({"name": ""}, "cannot be a file name"),
    ],
)
def test_results_that_are_not_written(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        write_result(tmp_path, **{"name": "s", "boxes": BOXES, **change})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_changes_nothing(tmp_path, monkeypatch):
    write_result(tmp_path, "s", BOXES, TIMES, SCORES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("mixformer.files.own_mark", lambda: "x")
    monkeypatch.setattr("mixformer.files.clear_left_over", lambda folder: None)
    (tmp_path / ".s.txt.x.partial").mkdir()  # the last of the three cannot be written
    with pytest.raises(OutputError, match="nothing was changed"):
        write_result(tmp_path, "s", BOXES + 1, TIMES + 1, SCORES)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_statuses_are_kept_and_older_results_have_none(tmp_path):
    statuses = np.array(["tracking", "uncertain", "lost"])
    write_result(tmp_path, "s", np.ones((3, 4)), statuses=statuses)
    assert (tmp_path / "s_status.txt").read_text() == "tracking\nuncertain\nlost\n"
    assert read_result(tmp_path, "s").statuses.tolist() == statuses.tolist()
    write_result(tmp_path, "s", np.ones((3, 4)))
    assert read_result(tmp_path, "s").statuses is None


@pytest.mark.parametrize(
    ("text", "message"), [("tracking\ngone\n", "line 2: 'gone' is no status"), ("lost\n", "line 2 is missing")]
)
def test_broken_statuses(tmp_path, text, message):
    write_result(tmp_path, "s", np.ones((2, 4)))
    (tmp_path / "s_status.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_result(tmp_path, "s")
