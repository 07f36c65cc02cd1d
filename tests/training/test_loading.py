"""How samples reach the trainer: where crops are made, loader processes, and the report on their speed."""

import json
import multiprocessing

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mixformer.configs.model import ModelConfig
from mixformer.data.augmentation import Augmentation
from mixformer.data.sample_dataset import CropSettings, RawBatch, SampleDataset
from mixformer.data.sampling import AnnotatedFrame, Mixture, TrainingSample
from mixformer.errors import CheckpointError, ConfigError
from mixformer.models import build_model
from mixformer.training.config import DataSection, OptimizerSection
from mixformer.training.metric_logger import MetricLogger, peak_memory
from mixformer.training.recipe import Recipe
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Trainer
from mixformer.training.training_state import load_training, save_training
from mixformer.types import Box

TINY = ModelConfig("tiny", depth=2, dim=32, heads=2, patch_size=16, search_size=64, template_size=32, bins=16)
RECIPE = Recipe(
    "tiny",
    max_steps=6,
    batch_size=4,
    save_interval=3,
    precision="float32",
    data=DataSection(workers=0),
    optimizer=OptimizerSection(warmup_steps=2, decay_steps=4, ema_decay=0.9, lr=1e-3),
)


class Squares:
    """A bright square somewhere on a noisy frame."""

    def draw(self, random, templates):
        return TrainingSample(tuple(self.view(random) for _ in range(templates)), self.view(random))

    def view(self, random):
        frame = random.integers(0, 60, (100, 140, 3), dtype=np.uint8)
        x, y = int(random.integers(10, 90)), int(random.integers(10, 60))
        frame[y : y + 28, x : x + 28] = (220, 60, 40)
        return AnnotatedFrame(frame, Box(x, y, 28, 28))


def make_trainer(folder, **data):
    torch.manual_seed(1)
    recipe = RECIPE.replace(data=DataSection(**{"workers": 0, **data}))
    augmentation = Augmentation(center_jitter=1.5, scale_jitter=0.1, crop_flip_prob=0.5, contrast=0.3, blur_prob=0.3)
    dataset = SampleDataset(Mixture([Squares()], [1.0]), CropSettings(64, 32, 4.0), augmentation, recipe.seed)
    return Trainer(build_stage(build_model(TINY), recipe), dataset, recipe, folder)


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_crops_on_the_device_give_the_same_run_up_to_rounding(tmp_path):
    for place in ("loader", "device"):
        trainer = make_trainer(tmp_path / place, crop_on=place)
        assert isinstance(next(trainer.loader(0, 1)), RawBatch) == (place == "device")
        trainer.run(report_every=1)
    losses = [[line["loss"] for line in lines(tmp_path / place)] for place in ("loader", "device")]
    assert len(losses[0]) == 6
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)


def test_auto_cuts_in_the_loader_on_a_cpu(tmp_path):
    assert not isinstance(next(make_trainer(tmp_path).loader(0, 1)), RawBatch)
    with pytest.raises(ConfigError, match="crop_on"):
        DataSection(crop_on="gpu")


@pytest.mark.parametrize("crops", ["loader", "device"])
def test_a_run_of_loader_processes_resumes_to_the_same_bits(tmp_path, crops):
    """The sampler's place is the step, and every sample has random numbers of its own, so workers keep no state."""
    whole = make_trainer(tmp_path / "whole", crop_on=crops)
    whole.run()
    first = make_trainer(tmp_path / "parts", crop_on=crops, workers=2)
    stop, before = RuntimeError("stopped"), set(multiprocessing.active_children())

    def kill(step, means):
        if step == 4:
            raise stop

    with pytest.raises(RuntimeError, match="stopped"):
        first.run(progress=kill)  # one step after the checkpoint, with batches waiting in the loader
    assert set(multiprocessing.active_children()) <= before  # although the error keeps the call alive
    second = make_trainer(tmp_path / "parts", crop_on=crops, workers=1)
    assert second.resume()
    assert second.step == 3
    second.run()
    expected, found = load_file(whole.checkpoint), load_file(second.checkpoint)
    assert expected.keys() == found.keys()
    assert any(name.startswith("average/") for name in found)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_the_loss_scale_is_kept(tmp_path):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters())

    def scaler():
        return torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)

    used = scaler()
    for factor in (1.0, 1.0, torch.inf, 1.0):  # grows, then halves, then counts one good step
        optimizer.zero_grad()
        used.scale(model(torch.ones(1, 2)).sum() * factor).backward()
        used.step(optimizer)
        used.update()
    assert used.get_scale() == 8.0
    path = tmp_path / "state.safetensors"
    save_training(path, 4, 0.5, 2, model, optimizer, None, used, {})
    fresh = scaler()
    assert load_training(path, model, torch.optim.AdamW(model.parameters()), None, fresh) == (4, 0.5, 2)
    assert fresh.state_dict() == used.state_dict()
    assert fresh.state_dict()["_growth_tracker"] == 1
    with pytest.raises(CheckpointError, match="does not fit"):
        load_training(path, torch.nn.Linear(3, 1), optimizer, None, scaler())


def test_a_run_that_was_begun_without_fused_steps_goes_on_with_them(tmp_path):
    """Its counts of steps stayed as they were, on the processor, where the arithmetic of a GPU cannot read them."""
    model, path, scaler = torch.nn.Linear(2, 1), tmp_path / "state.safetensors", torch.amp.GradScaler(enabled=False)
    old, new = (torch.optim.AdamW(model.parameters(), fused=fused) for fused in (False, True))
    model(torch.ones(1, 2)).sum().backward()
    old.step()
    for state in old.state.values():
        state["step"] = state["step"].double()  # stands for another place
    save_training(path, 1, 0.5, 0, model, old, None, scaler, {})
    load_training(path, model, new, None, scaler)
    assert {state["step"].dtype for state in new.state.values()} == {torch.float32}
    new.step()


def test_the_log_tells_the_loader_from_the_step(tmp_path):
    trainer, shown = make_trainer(tmp_path), []
    trainer.run(report_every=3, progress=lambda step, means: shown.append(dict(means)))
    assert len(lines(tmp_path)) == 2
    for line in lines(tmp_path):
        # without loader processes, all their work is waited for
        assert line["loader_samples_per_second"] >= line["samples_per_second"]
        assert line["waited"] > 0
        assert line["busy"] > 0
        assert line["memory_mb"] > 50
    assert len(shown) == 6
    assert all({"loss", "waited", "busy", "memory_mb"} <= means.keys() for means in shown)  # from the first step on


def test_a_log_goes_on_where_the_checkpoint_is(tmp_path):
    """Steps after it are made again, so what was said of them goes, and so does a line cut short by a kill."""
    meter = MetricLogger(tmp_path, 1, 8)
    for step in (1, 2, 3):
        meter.add(step, {"loss": torch.tensor(float(step))}, 1e-3)
    with meter.path.open("a") as file:
        file.write('{"step": 4, "lo')
    MetricLogger(tmp_path, 1, 8, start=3, enabled=False)  # a silent process leaves the file alone
    assert len(meter.path.read_text().splitlines()) == 4
    MetricLogger(tmp_path, 1, 8, start=2).add(3, {"loss": torch.tensor(9.0)}, 1e-3)
    lines = [json.loads(line) for line in meter.path.read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 1.0), (2, 2.0), (3, 9.0)]
    MetricLogger(tmp_path, 1, 8)  # has made no step
    assert len(meter.path.read_text().splitlines()) == 3


def test_the_meter(tmp_path):
    meter = MetricLogger(tmp_path, 2, 8, workers=3)
    assert meter.means() == {}
    for step in (1, 2):
        meter.loaded(0.25)
        meter.add(step, {"loss": torch.tensor(float(step))}, 1e-3)
    assert meter.latest["loss"] == 1.5
    assert meter.latest["loader_samples_per_second"] == pytest.approx(3 * 8 / 0.25)
    assert meter.latest["lr"] == 1e-3
    assert meter.means() == {}
    meter.add(3, {"loss": torch.tensor(7.0)}, 1e-3)
    assert meter.means()["loss"] == 7.0
    assert "loader_samples_per_second" not in meter.means()  # nobody said how long it took
    assert peak_memory(torch.device("cpu")) > 50
