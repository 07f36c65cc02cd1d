"""`mixformer report` from end to end."""

import json
import re

import numpy as np
import pytest

from mixformer.cli.main import SOURCE, USAGE, main
from mixformer.errors import DataError
from mixformer.evaluation.attributes import published_attributes, read_attributes
from tests.helpers.report_maker import NAMES, make, moved, truth_of, write_boxes


@pytest.fixture
def made(tmp_path):
    return make(tmp_path)


def write_note(folder, root="", **settings):
    """What `mixformer evaluate` leaves beside its results."""
    names = {"expected": {"": list(NAMES)}, "sequences": {}, "failures": {}}
    content = {"format": 1, "settings": settings, "environment": {"root": root}, **names}
    (folder / "run.json").write_text(json.dumps(content))


def report(made, *words):
    return main(["report", str(made.results), "--dataset", "toy", "--root", str(made.root), *words])


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("terminal", r"ours +95\.2"),
        ("markdown", r"\| ours \| \*\*95\.2\*\* \|"),
        ("csv", "ours,0.9523809523809523,"),
        ("latex", r"ours & \\textbf\{95\.2\} &"),
    ],
)
def test_tables_are_printed_in_every_format(made, capsys, form, line):
    assert report(made, "--format", form) == 0
    out = capsys.readouterr().out
    assert re.search(line, out)
    assert "a perfect tracker scores 0.952" in out


def test_a_whole_report_is_written(made, capsys, tmp_path):
    table = tmp_path / "attributes.csv"
    table.write_text("sequence,blur,fast\nbird,1,0\ncar,0,1\ndog,1,1\nfish,0,0\n")
    assert report(made, "--out", str(tmp_path / "out"), "--attributes", str(table), "--worst", "2") == 0
    shown = capsys.readouterr()
    assert "AUC by attribute" in shown.out
    assert "index.html and 21 files beside it" in shown.err.replace("\n", "")
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert (tmp_path / "out" / "attributes_bars.pdf").is_file()


def test_without_plots_matplotlib_is_not_needed(made, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("mixformer.optional.installed", lambda package: False)
    assert report(made, "--out", str(tmp_path / "out")) != 0
    assert "pip install 'mixformer[plots]'" in capsys.readouterr().err
    assert report(made, "--out", str(tmp_path / "out"), "--no-plots", "--worst", "0") == 0
    assert not list((tmp_path / "out").glob("*.png"))


def test_missing_sequences_are_named(made, capsys):
    (made.folder("still") / "car.txt").unlink()
    assert report(made) == 0
    assert "still lacks car (no file)" in capsys.readouterr().out
    assert report(made, "--missing", "zero") == 0
    assert "4 of 4 sequences" in capsys.readouterr().out


def test_the_root_that_was_noted_is_used(made, capsys):
    words = ["report", str(made.results), "--dataset", "toy"]
    assert main(words) == USAGE
    assert "give it as --root DIR" in capsys.readouterr().err
    write_note(made.folder("ours"), root=str(made.root))
    assert main(words) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--convention", "mine"], USAGE, "choose from pytracking"),
        (["--attributes", "nowhere.csv"], USAGE, "cannot read nowhere.csv"),
        (["--convention", "longterm"], USAGE, "score head"),
    ],
)
def test_wrong_use_is_explained(made, capsys, words, code, message):
    assert report(made, *words) == code
    assert message in capsys.readouterr().err


def test_a_folder_without_results(made, capsys):
    assert main(["report", str(made.root), "--dataset", "toy", "--root", str(made.root)]) == SOURCE
    assert "holds no results for toy" in capsys.readouterr().err


def test_known_sets_bring_names_pixels_attributes_and_the_papers(tmp_path, capsys):
    """Two sequences of TC128, whose boxes count pixels from 1; theirs do as well, ours do not."""
    root, results = tmp_path / "tc128", tmp_path / "results"
    names = ("Airport_ce", "Baby_ce")
    for number, name in enumerate(names):
        truth = truth_of(number)
        write_boxes(root / name / f"{name}_gt.txt", moved(truth, 1.0, 1.0))
        (root / name / f"{name}_frames.txt").write_text(f"1,{len(truth)}\n")
        (root / name / "img").mkdir()
        for frame in range(len(truth)):
            (root / name / "img" / f"{frame + 1:04d}.jpg").write_bytes(b"")
        write_boxes(results / "theirs" / f"{name}.txt", moved(truth, 1.0, 1.0))
        write_boxes(results / "ours" / "tc128" / f"{name}.txt", truth)
    write_note(results / "ours" / "tc128", as_written=False)
    words = ["report", str(results / "ours"), str(results / "theirs"), "--dataset", "tc128", "--root", str(root)]
    assert main([*words, "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    assert out.count("| **95.2** | **100.0** | **100.0** |") == 2
    assert "Pixels count from 1 in the files of theirs" in out
    assert "2 of 129 sequences; 127 of the data set are missing." in out
    assert "AUC by attribute" in out
    assert main([*words, "--format", "markdown", "--count-from", "0"]) == 0
    assert "Pixels count from 1" not in capsys.readouterr().out


def test_attributes_of_known_sets_have_long_names(tmp_path):
    found = published_attributes("otb100", "test", tmp_path, ["Basketball", "Bird1"])
    assert found["illumination variation"] == frozenset({"Basketball"})
    assert published_attributes("toy", "", tmp_path, ["car"]) == {}
    assert published_attributes("trackingnet", "train", tmp_path, ["car"]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be"),
        ("sequence\n", "the first line must be"),
        ("sequence,blur\nbird,2\n", "line 2: 'bird,2' does not hold 0 or 1 for each of blur"),
        ("sequence,blur\nbird,1,0\n", "line 2"),
        ("sequence,blur\nbird,1\n", "no line for 3 sequences: car, dog, fish"),
    ],
)
def test_broken_attributes_are_explained(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_attributes(path, NAMES)


def test_attributes_that_no_sequence_has_are_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sequence, blur ,night\nbird,1,0\ncar,0,0\ncat,1,1\n")
    assert read_attributes(path, ("bird", "car")) == {"blur": frozenset({"bird"})}


def test_numbers_agree_with_the_metrics_called_directly(made, capsys):
    from mixformer.evaluation.metrics import SequenceResult, compute_metrics

    runs = [SequenceResult(name, np.repeat(truth_of(i)[:1], 10, 0), truth_of(i)) for i, name in enumerate(NAMES)]
    auc = compute_metrics("otb", runs, "toy")["auc"]
    assert report(made, "--format", "csv", "--convention", "otb") == 0
    assert f"still,{auc}," in capsys.readouterr().out


def test_known_sets_stand_beside_the_papers(tmp_path, capsys):
    (tmp_path / "uav" / "anno" / "UAV123").mkdir(parents=True)
    pictures = tmp_path / "uav" / "data_seq" / "UAV123" / "bike2"
    pictures.mkdir(parents=True)
    truth = np.repeat(truth_of(0)[:1], 553, 0)
    write_boxes(tmp_path / "uav" / "anno" / "UAV123" / "bike2.txt", moved(truth, 1.0, 1.0))
    for frame in range(553):
        (pictures / f"{frame + 1:06d}.jpg").write_bytes(b"")
    write_boxes(tmp_path / "mine" / "uav_bike2.txt", moved(truth, 1.0, 1.0))
    words = ["--dataset", "uav123", "--root", str(tmp_path / "uav")]
    assert main(["report", str(tmp_path / "mine"), *words]) == 0
    out = capsys.readouterr().out
    assert re.search(r"MixFormerV2-B +69\.9 +92\.1 +165\.0 +- +(\[\d\]|MixFormerV2 table 5)", out)
    assert "PMDP" not in out
    assert out.index("uav123 beside the papers") < out.index("uav123: 1 tracker")
    assert "measured here" in out
    words += ["--out", str(tmp_path / "out"), "--no-plots", "--worst", "0"]
    assert main(["report", str(tmp_path / "mine"), *words]) == 0
    assert "| 67.5 | MixFormerV2 supplement table 2d, row 3 |" in (tmp_path / "out" / "paper_ablations.md").read_text()
