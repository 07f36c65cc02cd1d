"""The progress bar of training runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from mixformer.cli.bars import Bars

if TYPE_CHECKING:
    from mixformer.training.recipe import Recipe


def speaks() -> bool:
    """Return whether this process prints; under torchrun, only the first one does."""
    return os.environ.get("RANK", "0") == "0"


class TrainingBar(Bars):
    """The steps of a run with its losses and speed."""

    def __init__(self) -> None:
        columns = TextColumn("step"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}")
        super().__init__(*columns, TimeRemainingColumn(), quiet=not speaks())
        self._run = self.add_task("", total=None)

    def show(self, recipe: Recipe, step: int, means: Mapping[str, float]) -> None:
        """Show a step of a recipe's run."""
        text = _describe(recipe, step, means)
        self.update(self._run, completed=step, total=recipe.total_steps, description=text)

    def restart(self) -> None:
        """Begin the bar of the next run, with its own estimate of the time left."""
        self.reset(self._run, total=None, description="")


def _describe(recipe: Recipe, step: int, means: Mapping[str, float]) -> str:
    """Text beside the bar: epoch, losses, speed of training and of its loader, seconds of a step, memory."""
    words = [f"epoch {(step - 1) // recipe.epoch_steps + 1}/{recipe.epochs}"] if recipe.epochs else []
    words += [f"{name} {means[name]:.3f}" for name in ("loss", "iou", "accuracy") if name in means]
    if means:
        loader = means.get("loader_samples_per_second", 0.0)
        words += [
            f"{means['samples_per_second']:.1f} samples/s (loader {loader:.1f})",
            f"wait {means['waited']:.2f} + step {means['busy']:.2f} s",
            f"{means['memory_mb'] / 1024:.1f} GB",
        ]
    return "  ".join(words)
