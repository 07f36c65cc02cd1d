"""The benchmark of training: the speed of a recipe's loader, of its step, and of both together."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from mixformer.bench.peak import PeakProbe
from mixformer.configs.flops import locate_flops, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.training.distributed import Distributed
from mixformer.training.metric_logger import MetricLogger
from mixformer.training.recipe import Recipe
from mixformer.training.run_training import prepare
from mixformer.training.trainer import Trainer


@dataclass(frozen=True)
class TrainingSpeed:
    """Medians over the rounds, in one precision.

    Samples per second of the loader (if it never has to wait), of the step on a batch in memory, and of both
    `together`; operations per second that the step `achieved` (three forward passes, 2 per multiply-add), and those of
    the fastest matrix product (`peak`).
    """

    precision: str
    loader: float
    step: float
    together: float
    achieved: float
    peak: float


def measure_training(
    recipe: Recipe, precisions: Sequence[str], *, device: str = "cpu", steps: int = 5, dry_run: bool = False
) -> list[TrainingSpeed]:
    """Measure a recipe in several precisions, in turns, so that they compare on a busy machine too.

    Args:
        recipe: what to train; nothing is kept.
        precisions: of matrix products.
        device: "cpu", "cuda" or "cuda:N".
        steps: rounds; in each, everything is measured once. One more round warms up.
        dry_run: use made-up pictures instead of the recipe's data.

    Raises:
        ConfigError: for a recipe, precision or device that does not work here.

    Example:
        >>> from mixformer.bench import measure_training
        >>> from mixformer.training import Recipe
        >>> recipe = Recipe.from_toml("recipe.toml", [])  # doctest: +SKIP
        >>> measure_training(recipe, ["float32", "bfloat16"])[1].step  # doctest: +SKIP
        21.5
    """
    probe = PeakProbe(device, side=1024)
    with tempfile.TemporaryDirectory() as folder:
        benches = []
        for precision in precisions:
            plan = recipe.replace(precision=precision, max_steps=10**9, epochs=0, save_interval=10**9, val_interval=0)
            here = Distributed(device=torch.device(device))
            benches.append(_TimedTrainer(prepare(plan, Path(folder), resume=False, processes=here, dry_run=dry_run)))
        rounds = [[bench.measure(max(probe.measure().values())) for bench in benches] for _ in range(steps + 1)][1:]
    return [bench.speed(list(times)) for bench, times in zip(benches, zip(*rounds, strict=True), strict=True)]


class _TimedTrainer:
    """A trainer whose parts are timed round by round."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.device, self.parts = trainer, trainer.processes.device, trainer.recipe.grad_accum_steps
        trainer.stage.train()
        self.meter = MetricLogger(trainer.folder, 10**9, trainer.recipe.batch_size, enabled=False)
        self.stream, self.running = trainer.loader(0, 10**6), trainer._batches()
        self.ready = [next(self.stream).to(self.device) for _ in range(self.parts)]

    def measure(self, peak: float) -> tuple[float, float, float, float]:
        """The peak; then the seconds of the loader, of a step, and of both together, for one batch."""
        loader = sum(next(self.stream).seconds for _ in range(self.parts)) / max(1, self.trainer.recipe.data.workers)
        step = self._seconds(lambda: self.trainer._step(iter(self.ready), self.meter))
        return peak, loader, step, self._seconds(lambda: self.trainer._step(self.running, self.meter))

    def speed(self, times: list[tuple[float, float, float, float]]) -> TrainingSpeed:
        """Medians over the rounds."""
        peak = max(time[0] for time in times)
        loader, step, both = (median(column) for column in list(zip(*times, strict=True))[1:])
        recipe = self.trainer.recipe
        count = recipe.batch_size
        flops = 3 * count * forward_flops(self.trainer.model.config, recipe.templates)
        return TrainingSpeed(recipe.precision, count / loader, count / step, count / both, flops / step, peak)

    def _seconds(self, work: Callable[[], object]) -> float:
        begin = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - begin


def forward_flops(config: ModelConfig, templates: int) -> int:
    """Operations of one sample's forward pass in training: all templates, and every token in the last block."""
    return remember_flops(config, templates - 1, full=True) + locate_flops(config, templates - 1, full=True)
