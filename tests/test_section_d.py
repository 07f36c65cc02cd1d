"""Section D of the findings: single rows that belong to no other test. docs/notes/findings.md lists all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import mixformer
from mixformer.cli import main
from mixformer.errors import BoxError, CheckpointError, SourceError
from tests.torture.material import RECIPE, build

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("source", "box", "model", "error", "said"),
    [
        ("nope.mp4", (1, 2, 30, 40), None, SourceError, "no file or folder"),
        (None, (1, 2, 30), None, BoxError, "four numbers"),
        (None, (1, 2, 30, 40), "nope", CheckpointError, "mixformer models"),
    ],
)
def test_track_says_at_once_what_is_wrong(source, box, model, error, said, clip):
    """D: `track()` raised only at the first `next()`."""
    with pytest.raises(error, match=said):
        mixformer.track(source or clip, box, **({"model": model} if model else {}))


def test_track_says_what_ran(clip, tiny_model, capsys, tmp_path):
    """D: which engine and precision ran was not in `track`'s output."""
    words = ["track", str(clip), "--box", "10", "30", "20", "20", "--model", str(tiny_model), "--engine", "torch"]
    assert main([*words, "--device", "cpu", "--json", str(tmp_path / "a.jsonl")]) == 0
    assert "engine torch, float32, on cpu" in " ".join(capsys.readouterr().out.split())


def test_weights_of_whole_numbers_are_said(tiny_model, tmp_path, caplog):
    """D: integer weights loaded without a word."""
    import torch

    from mixformer.weights.state_dicts import as_floats

    as_floats({"a": torch.ones(3, dtype=torch.int32), "b": torch.ones(3)}, "model.safetensors")
    assert "model.safetensors holds whole numbers where weights are fractions" in caplog.text


def test_a_short_training_has_a_log_and_leaves_no_lock(tmp_path):
    """D: a run below 20 steps wrote no log.jsonl; a failed one left run.lock."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    words = ["train", str(tmp_path / "recipe.toml"), "--dry-run", "--device", "cpu", "--out"]
    assert main([*words, str(tmp_path / "good")]) == 0
    assert json.loads((tmp_path / "good" / "log.jsonl").read_text().splitlines()[0])["step"] == 1
    assert main([*words, str(tmp_path / "bad"), "--set", "data.sets=[]", "init_from=nowhere", "stage=none"]) != 0
    assert not list(tmp_path.glob("*/run.lock"))


def test_a_recipe_may_start_from_the_name_of_a_model():
    """D: `start=mixformerv2_dino_s8` was "no file"."""
    from mixformer.training import Recipe
    from mixformer.training.run_training import start_model

    model = start_model(Recipe("mixformerv2_dino_s8", init_from="mixformerv2_dino_s8"))
    shipped = mixformer.load_model("mixformerv2_dino_s8")
    assert any((a == b).all() and a.any() for a, b in zip(model.parameters(), shipped.parameters(), strict=True))


def test_mot_files_may_begin_with_a_byte_order_mark(tmp_path, capsys):
    """D: MOT with a byte order mark was refused, while --boxes takes it."""
    build(tmp_path, ("annotations",))
    for name in ("gt/gt.txt", "seqinfo.ini"):
        file = tmp_path / "annotations" / "mot" / "walk" / name
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert main(["data", "import", "mot", str(tmp_path / "annotations" / "mot"), str(tmp_path / "out")]) == 0


def test_report_misses_its_package_before_it_reads_anything(tmp_path, monkeypatch, capsys):
    """D: a missing matplotlib was noticed only after the work was done."""
    (tmp_path / "results").mkdir()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    read = []
    monkeypatch.setattr("mixformer.evaluation.result_folders.find_results", lambda *words: read.append(words))
    code = main(["report", str(tmp_path / "results"), "--dataset", "lasot", "--out", str(tmp_path / "page")])
    assert code == 1
    assert "pip install 'mixformer[plots]'" in capsys.readouterr().err
    assert not read


def test_no_library_beats_the_peak():
    """D: float32 reached 162 % of a peak that was measured with one library alone."""
    from mixformer.bench.peak import PeakProbe

    probe = PeakProbe(threads=1, side=64)
    probe.best = {"torch float32": 2.0, "openvino float32": 4.0}
    assert probe.compare(4, [1.0, 2.0]).of_peak == 1


def test_the_documents_speak_no_ill_of_opencv():
    """D: "CSRT and KCF are not in OpenCV 5" was wrong."""
    assert "not in OpenCV 5" not in "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))


def test_the_given_box_has_a_look_of_its_own_in_texts(clip, tiny_model):
    """D: the given box showed score 1.00 like a sure one; results tell it apart."""
    first, second = list(mixformer.track(clip, (10, 30, 20, 20), model=str(tiny_model), stop=2))
    assert first.is_initial
    assert not second.is_initial
    assert np.isfinite(second.score)
