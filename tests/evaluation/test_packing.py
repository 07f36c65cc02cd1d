"""Zip files for benchmark servers: what is in them, and what keeps them from being written."""

import zipfile

import numpy as np
import pytest

from mixformer.errors import DataError, OutputError
from mixformer.evaluation.result_files import write_result
from mixformer.evaluation.submission import write_submission

BOXES = np.array([[10.0, 20, 30, 40], [10.26, 19.5, 30.123456, 40]])
NAMES = ["GOT-10k_Test_000001", "all_time-0_1", "x_time_0"]  # ids that hold the words "all" and "time"
FRAMES = dict.fromkeys(NAMES, 2)


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    for number, name in enumerate(NAMES):
        write_result(folder, name, BOXES + number, np.array([0.5, 0.25]), np.array([1.0, np.nan]))
    return folder


def content(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def state(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_got10k(raw, tmp_path):
    before = state(raw)
    assert write_submission("got10k", raw, tmp_path / "out.zip", FRAMES) == 3
    files = content(tmp_path / "out.zip")
    assert sorted(files) == sorted(f"{name}/{name}_{kind}.txt" for name in NAMES for kind in ("001", "time"))
    first = files["GOT-10k_Test_000001/GOT-10k_Test_000001_001.txt"]
    assert first == "10.0000,20.0000,30.0000,40.0000\n10.2600,19.5000,30.1235,40.0000\n"
    assert files["x_time_0/x_time_0_time.txt"] == "0.50000000\n0.25000000\n"
    assert state(raw) == before


def test_trackingnet(raw, tmp_path):
    write_submission("trackingnet", raw, tmp_path / "deep" / "out.zip", FRAMES, truncate=True)
    files = content(tmp_path / "deep" / "out.zip")
    assert sorted(files) == sorted(f"{name}.txt" for name in NAMES)
    assert files["all_time-0_1.txt"] == "11,21,31,41\n11,20,31,41\n"


def test_equal_results_give_equal_files(raw, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_submission("got10k", raw, tmp_path / name, FRAMES)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_results_of_others_with_tabs(raw, tmp_path):
    for path in raw.glob("*.txt"):
        path.write_text(path.read_text().replace(",", "\t"))
    write_submission("trackingnet", raw, tmp_path / "out.zip", FRAMES)
    assert content(tmp_path / "out.zip")["x_time_0.txt"].startswith("12.0000,22.0000,")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("x_time_0.txt", None, "x_time_0.txt is missing"),
        ("x_time_0_time.txt", None, "x_time_0_time.txt is missing"),
        ("x_time_0.txt", "1,2,3,4\n", "line 2 is missing: 1 line for 2 frames"),
        ("x_time_0.txt", "1,2,3,4\n" * 3, "line 3 is one too many"),
        ("x_time_0.txt", "1,2,3,4\n1,nan,3,4\n", "x_time_0.txt, line 2"),
        ("x_time_0.txt", "1,2,3,4\n1,2,3\n", "x_time_0.txt, line 2"),
        ("x_time_0.txt", "1,2,3,4\n1,2,0,4\n", "line 2: a box without width or height"),
        ("x_time_0_time.txt", "1\nnan\n", "x_time_0_time.txt, line 2: nan is not a finite number"),
        ("x_time_0_time.txt", "1\n", "line 2 is missing"),
    ],
)
def test_nothing_is_written_when_something_is_wrong(raw, tmp_path, file, text, message):
    if text is None:
        (raw / file).unlink()
    else:
        (raw / file).write_text(text)
    (raw / "all_time-0_1.txt").unlink()
    with pytest.raises(DataError) as caught:
        write_submission("got10k", raw, tmp_path / "out.zip", FRAMES)
    assert message in str(caught.value)
    assert "all_time-0_1.txt is missing" in str(caught.value)  # all problems at once
    assert "nothing was written" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_an_unknown_format(raw, tmp_path):
    with pytest.raises(DataError, match="no format 'lasot'; choose from got10k, trackingnet"):
        write_submission("lasot", raw, tmp_path / "out.zip", FRAMES)


def test_many_problems_are_counted(raw, tmp_path):
    with pytest.raises(DataError, match="and 80 more"):
        write_submission("trackingnet", raw, tmp_path / "out.zip", {f"v_{i}": None for i in range(100)})


def test_a_zip_that_cannot_be_written(raw, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"out\.zip"):
        write_submission("got10k", raw, tmp_path / "file" / "out.zip", FRAMES)
