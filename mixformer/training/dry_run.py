"""Generated samples, to try a recipe for a few steps without its data."""

from __future__ import annotations

import numpy as np

from mixformer.configs.model import ModelConfig
from mixformer.data.sample_dataset import SampleDataset
from mixformer.data.sampling import AnnotatedFrame, Mixture, Random, TrainingSample
from mixformer.training.build_data import mixture_dataset
from mixformer.training.recipe import Recipe
from mixformer.types import Box

_FRAME = (180, 240)


class Shapes:
    """Bright rectangles on a dark, noisy background: a network learns them within minutes."""

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw frames that show one target of constant color and size."""
        color, side = random.integers(90, 256, 3), random.integers(20, 48, 2)
        views = [self._frame(random, color, side) for _ in range(templates + 1)]
        return TrainingSample(tuple(views[:-1]), views[-1])

    def view(self, random: Random) -> AnnotatedFrame:
        """Draw a frame with a random target."""
        return self._frame(random, random.integers(90, 256, 3), random.integers(20, 48, 2))

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """Draw a frame without a target; its box is in the middle."""
        height, width = _FRAME
        ground = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
        return AnnotatedFrame(ground, Box(width * 7 / 16, height * 7 / 16, width / 8, height / 8))

    def _frame(self, random: Random, color: np.ndarray, side: np.ndarray) -> AnnotatedFrame:
        height, width = _FRAME
        image = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
        x, y = int(random.integers(0, width - side[0])), int(random.integers(0, height - side[1]))
        image[y : y + side[1], x : x + side[0]] = color
        return AnnotatedFrame(image, Box(x, y, int(side[0]), int(side[1])))


def dry_run_dataset(recipe: Recipe, config: ModelConfig) -> SampleDataset:
    """Build the samples of a recipe, with generated shapes in place of its data."""
    return mixture_dataset(Mixture([Shapes()], [1.0], recipe.data.negatives), recipe, config)
