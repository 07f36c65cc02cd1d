"""The training loop on a tiny network: it learns, resumes to the same bits, and keeps what it has when things fail."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mixformer.engines import devices
from mixformer.errors import CheckpointError, ConfigError, OutputError, TrainingDivergedError
from mixformer.models import build_model
from mixformer.training.config import DataSection, OptimizerSection
from mixformer.training.distributed import Distributed
from mixformer.training.optim import build_optimizer, learning_rate
from mixformer.training.recipe import Recipe
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Trainer, precision_on
from mixformer.training.tuning_results import best_step
from mixformer.weights.load_save import load_model
from tests.helpers.training import OPTIMISER, RECIPE, SPLIT, TINY, make_trainer, same_state, stop_after


def tuned(**changes):
    """The recipe with another optimizer section."""
    return RECIPE.replace(optimizer=OPTIMISER.replace(**changes))


def test_the_box_is_learnt(tmp_path):
    trainer = make_trainer(
        tmp_path,
        tuned(decay_steps=50, lr=3e-3, backbone_lr=1e-3).replace(max_steps=150, batch_size=8, save_interval=1000),
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
    first = make_trainer(tmp_path / "parts", RECIPE.replace(max_steps=12), drop_path=0.2)
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


def test_a_resumed_run_takes_the_changed_rates_of_its_recipe(tmp_path):
    first = make_trainer(tmp_path, tuned(lr=3e-3, backbone_lr=1e-3, weight_decay=1e-4))
    stop_after(first, 2)
    first.save()
    second = make_trainer(tmp_path, tuned(lr=5e-4, backbone_lr=2e-4, weight_decay=1e-2))
    assert second.resume()
    groups = second.optimizer.param_groups
    assert {group["peak"] for group in groups} == {5e-4, 2e-4}
    assert max(group["weight_decay"] for group in groups) == 1e-2
    assert second.optimizer.state  # moments are still those of the first run


def test_a_resumed_run_that_averages_from_now_on_does_so(tmp_path):
    """The averages of a checkpoint without any were none for ever, so that the raw weights were written."""
    first = make_trainer(tmp_path, tuned(ema_decay=0.0))
    stop_after(first, 2)
    first.save()
    second = make_trainer(tmp_path, tuned(ema_decay=0.9))
    assert second.resume()
    weights = dict(second.stage.named_parameters())
    assert second.ema.values.keys() == {name for name, each in weights.items() if each.requires_grad}
    assert all(torch.equal(value, weights[name]) for name, value in second.ema.values.items())
    stop_after(second, 4)
    with second.averaged() as model:
        averaged = model.box_head.bins.weight.clone()
    assert not torch.equal(averaged, second.model.box_head.bins.weight)


KILLED = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
from tests.helpers.training import RECIPE, make_trainer
trainer = make_trainer(pathlib.Path(sys.argv[1]), RECIPE.replace(max_steps=int(sys.argv[3]), save_interval=1))
trainer.resume()
trainer.run(progress=lambda step, means: print(step, flush=True))
"""


def run_killed(folder, recipe_steps, wait):
    """Start or go on with a run in a process of its own and kill it after a while; returns whether it had ended."""
    here = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), here, str(recipe_steps)], stdout=subprocess.PIPE
    )
    process.stdout.readline()  # the first step is done, and saved a moment later
    while not (folder / "state.safetensors").exists() and process.poll() is None:
        time.sleep(0.005)
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return process.returncode == 0


def test_a_killed_run_leaves_a_whole_checkpoint(tmp_path):
    run_killed(tmp_path / "killed", 400, 0.05)
    killed = make_trainer(tmp_path / "killed", RECIPE.replace(max_steps=400, save_interval=1))
    assert killed.resume()
    fresh = make_trainer(tmp_path / "fresh", RECIPE.replace(max_steps=400, save_interval=1))
    stop_after(fresh, killed.step)
    for (name, ours), theirs in zip(killed.stage.state_dict().items(), fresh.stage.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


@pytest.mark.sweep
def test_twenty_kills_end_in_the_same_bits(tmp_path):
    steps, random = 60, np.random.default_rng(0)
    kills = 0
    while kills < 20:
        folder = tmp_path / f"killed{kills // 10}"
        if run_killed(folder, steps + 200 * (kills // 10), float(random.uniform(0.0, 0.12))):
            break
        kills += 1
    assert kills == 20
    for index in (0, 1):
        recipe = RECIPE.replace(max_steps=steps + 200 * index, save_interval=1)
        killed = make_trainer(tmp_path / f"killed{index}", recipe)
        assert killed.resume()
        killed.run()
        whole = make_trainer(tmp_path / f"whole{index}", recipe)
        whole.run()
        assert same_state(killed.checkpoint, whole.checkpoint)


def test_the_score_head_learns_alone(tmp_path):
    recipe = tuned(lr=1e-2).replace(
        stage="score", data=DataSection(workers=0, negatives=0.5), max_steps=30, batch_size=8
    )
    trainer = make_trainer(tmp_path, recipe)
    before = {k: v.clone() for k, v in trainer.stage.model.state_dict().items()}
    trainer.run(report_every=10)
    changed = {k for k, v in trainer.stage.model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(name.startswith("score_head.") for name in changed)


def test_frozen_blocks_stay(tmp_path):
    trainer = make_trainer(tmp_path, tuned(freeze_blocks=2).replace(max_steps=3))
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

    monkeypatch.setattr("mixformer.training.training_state.save_file", full)
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
        trainer = Trainer(stage, trainer.dataset, RECIPE, tmp_path)
    else:
        trainer.checkpoint.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="does not fit"):
        trainer.resume()


def test_learning_rate_warms_up_stays_and_decays():
    plan = OptimizerSection(warmup_steps=10, decay_steps=20)
    rates = [learning_rate(step, 100, plan) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:80] == [1.0] * 71
    assert all(a > b for a, b in pairwise(rates[80:]))
    assert 0 < rates[-1] < 0.01


def test_the_published_schedules():
    step = OptimizerSection(warmup_steps=0, schedule="multistep", lr_drop_at=0.8)
    assert [learning_rate(epoch, 500, step) for epoch in (0, 399, 400, 499)] == [1.0, 1.0, 0.1, 0.1]
    cosine = OptimizerSection(warmup_steps=40, schedule="cosine")
    assert learning_rate(170, 300, cosine) == pytest.approx(0.5)  # the reference's value at epoch 170 of 300
    assert learning_rate(100, 300, cosine) == pytest.approx(0.8742553740855506, rel=1e-12)


def test_adam_decays_in_the_gradient():
    """As printed for MixCvT: one step of Adam by hand, from the gradient plus the decay times the weight."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    weight, x = layer.weight.detach().clone(), torch.randn(4, 3)
    plan = RECIPE.replace(optimizer=OptimizerSection(algorithm="adam", lr=0.1, weight_decay=0.5, decay_all=True))
    optimizer = build_optimizer(layer, plan)
    assert type(optimizer) is torch.optim.Adam
    layer(x).square().sum().backward()
    gradient = layer.weight.grad + 0.5 * weight
    optimizer.step()
    expected = weight - 0.1 * gradient / (gradient.abs() + 1e-8)
    torch.testing.assert_close(layer.weight.detach(), expected)
    assert type(build_optimizer(layer, tuned())) is torch.optim.AdamW


def test_recipes_are_checked(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('model = "tiny"\nstepz = 3\n')
    with pytest.raises(ConfigError, match="stepz"):
        Recipe.from_toml(path)
    path.write_text(
        'model = "tiny"\nmax_steps = 3\n[optimizer]\nlr = 2e-3\n[[data.sets]]\nname = "lasot"\nroot = "x"\n'
    )
    changed = Recipe.from_toml(
        path, ["batch_size=2", "optimizer.freeze_blocks=1", "init_from=some/file.pth", "masks.ratio=0.5"]
    )
    assert (changed.batch_size, changed.optimizer.freeze_blocks, changed.optimizer.lr) == (2, 1, 2e-3)
    assert (changed.init_from, changed.masks.ratio) == ("some/file.pth", 0.5)
    assert changed.data.sets[0].name == "lasot"
    changed.to_file(tmp_path / "recipe.json")
    assert Recipe.from_file(tmp_path / "recipe.json") == changed
    for change, message in (("batch", "key=value"), ("optimizer.lrr=1", "lrr"), ("max_steps.x=1", "not a section")):
        with pytest.raises(ConfigError, match=message):
            Recipe.from_toml(path, [change])
    path.write_text("model = ")
    with pytest.raises(ConfigError, match="TOML"):
        Recipe.from_toml(path)
    with pytest.raises(ConfigError, match="no recipe"):
        Recipe.from_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="negatives"):
        Recipe("tiny", stage="score")
    with pytest.raises(ConfigError, match="max_steps or epochs"):
        Recipe("tiny", max_steps=0)
    with pytest.raises(ConfigError, match=r"teacher\.model"):
        Recipe("tiny", stage="distill")
    with pytest.raises(ConfigError, match="grad_accum_steps must divide"):
        Recipe("tiny", batch_size=6, grad_accum_steps=4)


def test_epochs_give_steps():
    recipe = Recipe("tiny", max_steps=0, epochs=500, epoch_samples=60000, batch_size=256)
    assert recipe.epoch_steps == 234
    assert recipe.total_steps == 117000


def test_accumulation_gives_the_same_run_up_to_rounding(tmp_path):
    curves = []
    for parts in (1, 2, 4):
        folder = tmp_path / str(parts)
        trainer = make_trainer(folder, SPLIT.replace(grad_accum_steps=parts), drop_path=0.3)
        trainer.run(report_every=1)
        curves.append([json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()])
    assert len(curves[0]) == 6
    for other in curves[1:]:
        assert other == pytest.approx(curves[0], rel=1e-4)


PROCESS = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
import torch
from tests.helpers.training import SPLIT, make_trainer
from mixformer.training.distributed import init_distributed
torch.set_num_threads(1)
with init_distributed(torch.device("cpu")) as processes:
    trainer = make_trainer(pathlib.Path(sys.argv[1]), SPLIT, 0.3, processes)
    trainer.run(report_every=1)
"""


def test_two_processes_give_the_same_run_up_to_rounding(tmp_path):
    here = str(Path(__file__).parents[2])
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(tmp_path / "two"), here], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    alone = make_trainer(tmp_path / "one", SPLIT, drop_path=0.3)
    alone.run(report_every=1)
    one, two = (
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == 6
    assert two == pytest.approx(one, rel=1e-4)
    ours, theirs = load_file(alone.checkpoint), load_file(tmp_path / "two" / "state.safetensors")
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_a_step_that_cannot_be_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be split into 3 parts"):
        make_trainer(tmp_path, processes=Distributed(count=3))
    with pytest.raises(ConfigError, match="float16 needs a GPU"):
        make_trainer(tmp_path, RECIPE.replace(precision="float16"))


@pytest.mark.parametrize(("instructions", "expected"), [(("avx2", "avx512_bf16"), "bfloat16"), (("avx2",), "float32")])
def test_a_processor_without_bfloat16_trains_in_float32(tmp_path, monkeypatch, instructions, expected):
    """A step took 15 times as long there."""
    monkeypatch.setattr(devices, "cpu_instructions", lambda: instructions)
    trainer = make_trainer(tmp_path, RECIPE.replace(precision="auto"))
    with trainer._autocast():
        assert str(torch.ones(2, 2).mm(torch.ones(2, 2)).dtype) == f"torch.{expected}"
    assert precision_on("cpu", "bfloat16") == precision_on("cuda:1", "auto") == "bfloat16"


def test_validation_keeps_the_best_averaged_weights(tmp_path):
    scores = iter([0.5, 0.7, 0.6])
    seen = []

    def validate(model):
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return next(scores)

    trainer = make_trainer(tmp_path, RECIPE.replace(val_data="somewhere", val_interval=4))
    trainer.run(report_every=100, validate=validate)
    assert trainer.best == 0.7
    best = load_model(tmp_path / "best").state_dict()
    assert all(torch.equal(best[name], value) for name, value in seen[1].items())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    scored = [(line["step"], line["validation"]) for line in lines if "validation" in line]
    assert scored == [(4, 0.5), (8, 0.7), (12, 0.6)]
    assert lines[-1]["step"] == 12  # a run shorter than `report_every` writes its means too (D)
    assert lines[-1]["loss"] > 0
    again = make_trainer(tmp_path, RECIPE)
    assert again.resume()
    assert again.best == 0.7


def test_the_best_line_of_the_log_is_that_of_the_best_weights(tmp_path):
    """Of two checks that are one in its six decimals, the weights were of the second, and the step of the first."""
    scores = iter([0.7000001, 0.7000004, 0.6])
    trainer = make_trainer(tmp_path, RECIPE.replace(val_data="somewhere", val_interval=4))
    kept = {}

    def validate(model):
        kept[trainer.step] = {name: value.clone() for name, value in model.state_dict().items()}
        return next(scores)

    trainer.run(report_every=100, validate=validate)
    best = load_model(tmp_path / "best").state_dict()
    step = best_step(tmp_path / "log.jsonl", 0.5)
    assert all(torch.equal(best[name], value) for name, value in kept[step].items())


def test_a_run_without_a_gain_ends_early_and_stays_ended(tmp_path):
    scores = {3: 0.5, 4: 0.7, 5: 0.7, 6: 0.6}
    recipe = RECIPE.replace(val_data="somewhere", val_interval=1, save_interval=1, patience=2)
    trainer = make_trainer(tmp_path, recipe)
    trainer.run(report_every=100, validate=lambda model: scores.get(trainer.step, trainer.step / 10))
    assert (trainer.step, trainer.best, trainer.stopped_early) == (6, 0.7, True)  # as good is not better
    again = make_trainer(tmp_path, recipe)
    assert again.resume()
    again.run(validate=pytest.fail)
    assert again.step == 6
    # More patience lets the same run go on.
    again = make_trainer(tmp_path, recipe.replace(patience=4))
    assert again.resume()
    again.run(report_every=100, validate=lambda model: 0.8 if again.step == 7 else 0.1)
    assert (again.step, again.best) == (11, 0.8)


def test_the_average_is_put_in_for_a_while_only(tmp_path):
    trainer = make_trainer(tmp_path)
    stop_after(trainer, 3)
    raw = {k: v.clone() for k, v in trainer.stage.state_dict().items()}
    with trainer.averaged() as model:
        assert not model.training
        assert any(not torch.equal(v, raw[f"model.{k}"]) for k, v in model.state_dict().items())
    assert trainer.stage.training
    assert all(torch.equal(v, raw[k]) for k, v in trainer.stage.state_dict().items())
