"""The training loop on a tiny network: it learns, resumes to the same bits, and keeps what it has when things fail."""

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mixformer.config import ModelConfig
from mixformer.data.augment import Augmentation, Jitter
from mixformer.data.dataset import CropSettings, ShotDataset
from mixformer.data.sampling import Mixture, Shot, View
from mixformer.errors import CheckpointError, ConfigError, OutputError
from mixformer.models import build_model
from mixformer.training.optim import learning_rate
from mixformer.training.recipe import Recipe
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Trainer, TrainingDivergedError
from mixformer.types import Box

TINY = ModelConfig("tiny", depth=3, dim=32, heads=2, patch_size=16, search_size=64, template_size=32, bins=32)
RECIPE = Recipe(
    "tiny", steps=12, batch=4, warmup=2, decay=4, workers=0, save_every=4, ema=0.9, precision="float32", lr=1e-3
)


class Squares:
    """A bright square somewhere on a dark frame."""

    def draw(self, random, templates):
        return Shot(tuple(self.view(random) for _ in range(templates)), self.view(random))

    def view(self, random):
        frame = np.full((120, 160, 3), 20, np.uint8)
        x, y = int(random.integers(10, 110)), int(random.integers(10, 80))
        frame[y : y + 28, x : x + 28] = (220, 60, 40)
        return View(frame, Box(x, y, 28, 28))


def make_trainer(folder, recipe=RECIPE, drop_path=0.0):
    torch.manual_seed(recipe.seed)
    stage = build_stage(build_model(TINY.replace(drop_path=drop_path)), recipe)
    crops = CropSettings(64, 32, 4.0, templates=2)
    augmentation = Augmentation(Jitter(1.5, 0.1))
    dataset = ShotDataset(Mixture([Squares()], [1.0], recipe.negatives), crops, augmentation, recipe.seed)
    return Trainer(stage, dataset, recipe, folder, "cpu")


def test_the_box_is_learnt(tmp_path):
    trainer = make_trainer(
        tmp_path, RECIPE.replace(steps=150, batch=8, decay=50, lr=3e-3, backbone_lr=1e-3, save_every=1000)
    )
    trainer.run(report_every=10)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(10, 151, 10))
    assert lines[-1]["l1"] < 0.8 * lines[0]["l1"]
    assert lines[-1]["iou"] > lines[0]["iou"] + 0.1
    assert lines[-1]["samples_per_second"] > 0


def test_resume_gives_the_same_bits(tmp_path):
    whole = make_trainer(tmp_path / "whole", drop_path=0.2)
    whole.run()
    first = make_trainer(tmp_path / "parts", RECIPE.replace(steps=12), drop_path=0.2)
    stop_after(first, 5)
    first.save()
    second = make_trainer(tmp_path / "parts", drop_path=0.2)
    assert second.resume()
    assert second.step == 5
    second.run()
    expected, found = load_file(whole.checkpoint), load_file(second.checkpoint)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


def stop_after(trainer, steps):
    for batch in trainer._batches():
        trainer._step(batch)
        trainer.step += 1
        if trainer.step == steps:
            return


KILLED = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
from test_trainer import RECIPE, make_trainer
trainer = make_trainer(pathlib.Path(sys.argv[1]), RECIPE.replace(steps=400, save_every=1, decay=4))
trainer.resume()
trainer.run(progress=lambda step, means: print(step, flush=True))
"""


def test_a_killed_run_leaves_a_whole_checkpoint(tmp_path):
    here = str(__import__("pathlib").Path(__file__).parent)
    command = [sys.executable, "-c", KILLED, str(tmp_path), here]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) >= 4:
            break
    time.sleep(0.013)
    process.send_signal(signal.SIGKILL)
    process.wait()
    recipe = RECIPE.replace(steps=400, save_every=1, decay=4)
    killed = make_trainer(tmp_path, recipe)
    assert killed.resume()
    fresh = make_trainer(tmp_path / "fresh", recipe)
    stop_after(fresh, killed.step)
    for (name, ours), theirs in zip(killed.stage.state_dict().items(), fresh.stage.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_the_score_head_learns_alone(tmp_path):
    recipe = RECIPE.replace(stage="score", negatives=0.5, steps=30, batch=8, lr=1e-2)
    trainer = make_trainer(tmp_path, recipe)
    before = {k: v.clone() for k, v in trainer.stage.model.state_dict().items()}
    trainer.run(report_every=10)
    changed = {k for k, v in trainer.stage.model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(name.startswith("score_head.") for name in changed)


def test_frozen_blocks_stay(tmp_path):
    trainer = make_trainer(tmp_path, RECIPE.replace(freeze=2, steps=3))
    before = {k: v.clone() for k, v in trainer.stage.model.backbone.state_dict().items()}
    trainer.run()
    changed = {k for k, v in trainer.stage.model.backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(name.startswith("blocks.2.") for name in changed)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path):
    trainer = make_trainer(tmp_path)
    stop_after(trainer, 2)
    trainer.save()
    saved = trainer.checkpoint.read_bytes()
    with torch.no_grad():
        trainer.stage.model.box_head.hidden.weight[0, 0] = torch.nan
    with pytest.raises(TrainingDivergedError, match="last good"):
        trainer.run()
    assert trainer.checkpoint.read_bytes() == saved


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    trainer.save()
    saved = trainer.checkpoint.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mixformer.training.checkpoint.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        trainer.save()
    assert trainer.checkpoint.read_bytes() == saved
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("damage", ["empty", "cut", "other"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    trainer = make_trainer(tmp_path)
    trainer.save()
    content = trainer.checkpoint.read_bytes()
    if damage == "other":
        torch.manual_seed(0)
        stage = build_stage(build_model(TINY.replace(depth=4)), RECIPE)
        trainer = Trainer(stage, trainer.dataset, RECIPE, tmp_path, "cpu")
    else:
        trainer.checkpoint.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="does not fit"):
        trainer.resume()


def test_learning_rate_warms_up_stays_and_decays():
    recipe = RECIPE.replace(steps=100, warmup=10, decay=20)
    rates = [learning_rate(step, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:80] == [1.0] * 71
    assert all(a > b for a, b in pairwise(rates[80:]))
    assert 0 < rates[-1] < 0.01


def test_recipes_are_checked(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('model = "tiny"\nstepz = 3\n')
    with pytest.raises(ConfigError, match="stepz"):
        Recipe.from_toml(path)
    path.write_text('model = "tiny"\nsteps = 3\n')
    assert Recipe.from_toml(path, batch=2).batch == 2
    path.write_text("model = ")
    with pytest.raises(ConfigError, match="TOML"):
        Recipe.from_toml(path)
    with pytest.raises(ConfigError, match="no recipe"):
        Recipe.from_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="negatives"):
        Recipe("tiny", stage="score")
    with pytest.raises(ConfigError, match="steps"):
        Recipe("tiny", steps=0)
