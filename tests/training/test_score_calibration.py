"""Calibration: the fit, the network that it changes, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from mixformer import ModelConfig
from mixformer.cli import main
from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import CheckpointError, ConfigError, DataError
from mixformer.evaluation import bin_scores, write_result
from mixformer.models import build_model
from mixformer.training import calibrate
from mixformer.training.platt import apply_scale, cross_calibrated, fit_scale, joined, keeps_low_scores
from mixformer.weights.load_save import load_model, load_weights, save_model
from tests.helpers.report_maker import make

SIZES = {"dim": 32, "heads": 2, "search_size": 64, "template_size": 32, "bins": 16}
HEADS = {
    "token": ModelConfig("tiny", depth=1, **SIZES),
    "token_mean": ModelConfig("tiny", depth=1, score="token_mean", **SIZES),
    "spm": ModelConfig("tiny", depth=1, head="corner", prediction_tokens=0, score="spm", **SIZES),
    "none": ModelConfig("tiny", depth=1, score="none", **SIZES),
}


def drawn(seed, scale, offset, count=4000):
    """Scores, and hits whose true probability has `scale` and `offset` in its logit."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, count)
    return scores, rng.random(count) < apply_scale(scores, scale, offset)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.4, -1.0), (2.5, 0.8)])
def test_what_was_put_in_is_found(scale, offset):
    scores, hits = drawn(0, scale, offset)
    found = fit_scale(scores, hits)
    assert found == pytest.approx((scale, offset), abs=0.15)
    assert bin_scores(apply_scale(scores, *found), hits).error < 0.03


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_fit_is_bounded_keeps_the_order_and_is_no_less_likely(pairs):
    scores, hits = np.array([s for s, _ in pairs]), np.array([h for _, h in pairs])
    scale, offset = fit_scale(scores, hits)
    assert 0.05 <= scale <= 20
    assert -20 <= offset <= 20
    order = np.argsort(scores)
    changed = apply_scale(scores, scale, offset)
    assert (np.diff(changed[order]) >= 0).all()
    right, wrong = hits.sum(), (~hits).sum()
    targets = np.where(hits, (right + 1) / (right + 2), 1 / (wrong + 2))

    def loss(values):
        values = np.clip(values, 1e-9, 1 - 1e-9)
        return -np.mean(targets * np.log(values) + (1 - targets) * np.log(1 - values))

    assert loss(changed) <= loss(np.clip(scores, 1e-6, 1 - 1e-6)) + 1e-6


def test_a_score_that_is_upside_down_becomes_flat_not_turned():
    scores, hits = drawn(1, 1.0, 0.0)
    scale, _ = fit_scale(1 - scores, hits)
    assert scale == 0.05


def test_no_sequence_judges_itself():
    pairs = [drawn(seed, 0.5, -1, 300) for seed in range(7)]
    found = cross_calibrated(pairs)
    others = [pair for number, pair in enumerate(pairs) if number % 5 != 1]  # sequence 6 shares the fold of 1
    assert found[6][0] == pytest.approx(apply_scale(pairs[6][0], *fit_scale(*joined(others))))
    assert all((new[1] == old[1]).all() for new, old in zip(found, pairs, strict=True))


def results_of(made, tracker="ours"):
    """Scores of 0.9 for boxes of which every second one is right."""
    for name in ("bird", "car", "dog", "fish"):
        boxes = np.loadtxt(made.root / name / "groundtruth.txt", delimiter=",")
        boxes[2::2] += [40, 0, 0, 0]
        write_result(made.folder(tracker), name, boxes, scores=np.full(len(boxes), 0.9))


@pytest.fixture
def made(tmp_path):
    found = make(tmp_path)
    results_of(found)
    return found


@pytest.mark.parametrize("kind", ["token", "token_mean", "spm"])
def test_the_networks_score_is_scaled_and_nothing_else(made, tmp_path, kind):
    torch.manual_seed(0)
    model = save_model(build_model(HEADS[kind]), tmp_path / "model")
    done = calibrate(model, tmp_path / "out", made.root, results=made.results / "ours", diagram=False)
    assert done.before.error == pytest.approx(0.9 - 4.5 / 9, abs=0.07)
    assert done.after.error < 0.1
    rng = np.random.default_rng(0)
    templates = rng.integers(0, 255, (1, 2, 32, 32, 3), dtype=np.uint8)
    search = rng.integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    found = []
    for folder in (model, done.folder):
        engine = TorchEngine(load_model(folder))
        found.append([engine.locate(one[None], engine.remember(templates)) for one in search])
    for old, new in zip(*found, strict=True):
        np.testing.assert_array_equal(new.boxes, old.boxes)
        np.testing.assert_allclose(new.scores, done.scale * old.scores + done.offset, rtol=1e-4, atol=1e-5)


def test_a_sequence_without_scores_is_left_out(made, tiny_model, tmp_path):
    """Its right boxes got the score 0, which the fit and the error took for scores of the model."""
    where = {"results": made.results / "ours", "diagram": False}
    expected = calibrate(tiny_model, tmp_path / "all", made.root, **where)
    shutil.copytree(made.root / "dog", made.root / "goat")
    boxes = np.loadtxt(made.root / "goat" / "groundtruth.txt", delimiter=",")
    write_result(made.folder("ours"), "goat", boxes)
    found = calibrate(tiny_model, tmp_path / "more", made.root, **where)
    assert (found.sequences, found.scale, found.offset) == (4, expected.scale, expected.offset)
    assert found.before.error == expected.before.error


def test_the_verb_runs_a_model_and_writes_one(made, tmp_path, capsys):
    for name in ("dog", "fish"):  # in half of the clips the truth goes where nothing is, so that boxes are wrong
        boxes = np.loadtxt(made.root / name / "groundtruth.txt", delimiter=",")
        boxes[4:] = [2, 26, 8, 8]
        np.savetxt(made.root / name / "groundtruth.txt", boxes, delimiter=",")
    out, model = tmp_path / "out", "mixformerv2_dino_s8"
    words = ["calibrate", model, "--data", str(made.root), "--out", str(out), "--device", "cpu"]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "36 frames of 4 sequences: logit x" in said
    assert "expected calibration error:" in said
    assert (out / "reliability.png").read_bytes().startswith(b"\x89PNG")
    old, new = load_weights(model), load_weights(out)
    changed = {key for key in old.state if not torch.equal(old.state[key], new.state[key])}
    assert changed == {"score_head.out.weight", "score_head.out.bias"}
    assert (new.config, new.tracker) == (old.config, old.tracker)
    # An earlier result is refused, and replaced on demand.
    assert main(words) == 4
    assert "--overwrite" in capsys.readouterr().err
    saved = ["--results", str(made.results / "ours"), "--overwrite", "--no-plots", "--quiet"]
    assert main([*words, *saved]) == 0
    assert capsys.readouterr().out == ""


def test_results_of_other_weights_are_refused(made, tiny_model, tmp_path):
    note = {"format": 1, "settings": {"weights": "0" * 16}, "expected": {}, "sequences": {}, "failures": {}}
    (made.folder("ours") / "run.json").write_text(json.dumps(note))
    with pytest.raises(ConfigError, match="are not of the weights of"):
        calibrate(tiny_model, tmp_path / "out", made.root, results=made.results / "ours", diagram=False)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_calibrated(made, tiny_model, tmp_path):
    def attempt(model, **more):
        words = {"data": made.root, "results": made.results / "ours", "diagram": False} | more
        return calibrate(model, tmp_path / "out", **words)

    without = save_model(build_model(HEADS["none"]), tmp_path / "without")
    with pytest.raises(ConfigError, match="no score head"):
        attempt(without)
    (without / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="exported, then export it again"):
        attempt(without)
    with pytest.raises(ConfigError, match="nothing to calibrate on"):
        attempt(tiny_model, data=None, results=None)
    with pytest.raises(DataError, match="0 of 4 sequences have scores"):
        attempt(tiny_model, results=made.results / "still")
    with pytest.raises(ConfigError, match="several trackers"):
        attempt(tiny_model, results=made.results)
    for name in ("bird", "car", "dog", "fish"):
        boxes = np.loadtxt(made.root / name / "groundtruth.txt", delimiter=",")
        write_result(made.folder("ours"), name, boxes, scores=np.full(len(boxes), 0.9))
    with pytest.raises(DataError, match="every box overlaps"):
        attempt(tiny_model)
    assert not (tmp_path / "out").exists()


def test_a_fit_to_right_boxes_alone_hides_absences_which_is_said(made, tiny_model, tmp_path, caplog):
    """One wrong box of 36: every score became 0.9 or more, and a covered target was never lost."""
    for name in ("bird", "car", "dog", "fish"):
        boxes = np.loadtxt(made.root / name / "groundtruth.txt", delimiter=",")
        scores = np.linspace(0.6, 0.95, len(boxes))
        if name == "dog":
            boxes[4] += [40, 0, 0, 0]
        write_result(made.folder("ours"), name, boxes, scores=scores)
    done = calibrate(tiny_model, tmp_path / "out", made.root, results=made.results / "ours", diagram=False)
    assert not keeps_low_scores(done.scale, done.offset, 0.3)
    assert "will not notice that a target is lost: 1 of 36 boxes is too few wrong ones" in caplog.text
    caplog.clear()
    results_of(made)  # every second box is wrong, and every score 0.9
    calibrate(tiny_model, tmp_path / "flat", made.root, results=made.results / "ours", diagram=False)


@pytest.mark.parametrize(
    ("scale", "offset", "keeps"), [(1.0, 0.0, True), (0.4, -1.0, True), (0.8, 1.5, True), (0.196, 4.266, False)]
)
def test_which_calibrations_still_show_that_a_target_is_lost(scale, offset, keeps):
    assert keeps_low_scores(scale, offset, 0.5) is keeps
