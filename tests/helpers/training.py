"""A tiny network, a recipe for it and its trainer."""

import numpy as np
import torch
from safetensors.torch import load_file

from mixformer.configs.model import ModelConfig
from mixformer.data.augmentation import Augmentation
from mixformer.data.sample_dataset import CropSettings, SampleDataset
from mixformer.data.sampling import AnnotatedFrame, Mixture, TrainingSample
from mixformer.models import build_model
from mixformer.training.config import DataSection, LossSection, OptimizerSection
from mixformer.training.metric_logger import MetricLogger
from mixformer.training.recipe import Recipe
from mixformer.training.stages import build_stage
from mixformer.training.trainer import Trainer
from mixformer.types import Box

TINY = ModelConfig("tiny", depth=3, dim=32, heads=2, patch_size=16, search_size=64, template_size=32, bins=32)
OPTIMISER = OptimizerSection(warmup_steps=2, decay_steps=4, ema_decay=0.9, lr=1e-3)
RECIPE = Recipe(
    "tiny",
    max_steps=12,
    batch_size=4,
    save_interval=4,
    precision="float32",
    data=DataSection(workers=0),
    optimizer=OPTIMISER,
    loss=LossSection(dfl=1.0, aux=1.0),
)
# The auxiliary questions weigh patches within a micro-batch, so they alone depend on how a step is split.
SPLIT = RECIPE.replace(max_steps=6, loss=LossSection(dfl=1.0))


class Squares:
    """A bright square somewhere on a dark frame."""

    def draw(self, random, templates):
        return TrainingSample(tuple(self.view(random) for _ in range(templates)), self.view(random))

    def view(self, random):
        frame = np.full((120, 160, 3), 20, np.uint8)
        x, y = int(random.integers(10, 110)), int(random.integers(10, 80))
        frame[y : y + 28, x : x + 28] = (220, 60, 40)
        return AnnotatedFrame(frame, Box(x, y, 28, 28))


def make_trainer(folder, recipe=RECIPE, drop_path=0.0, processes=None):
    torch.manual_seed(recipe.seed)
    stage = build_stage(build_model(TINY.replace(drop_path=drop_path)), recipe)
    crops = CropSettings(64, 32, 4.0, templates=2)
    augmentation = Augmentation(1.5, 0.1, crop_flip_prob=0.5, contrast=0, blur_prob=0)
    dataset = SampleDataset(Mixture([Squares()], [1.0], recipe.data.negatives), crops, augmentation, recipe.seed)
    return Trainer(stage, dataset, recipe, folder, processes)


def stop_after(trainer, steps):
    """Train to a step and stop there, whatever the recipe says."""
    trainer.stage.train()
    stream, meter = trainer._batches(), MetricLogger(trainer.folder, 100, 1, enabled=False)
    while trainer.step < steps:
        trainer._step(stream, meter)
        trainer.step += 1


def same_state(one, other):
    """Whether two checkpoints hold the same bits."""
    ours, theirs = load_file(one), load_file(other)
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())
