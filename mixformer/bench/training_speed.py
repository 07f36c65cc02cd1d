"""How fast a recipe trains here: its loader, its step, and both together, beside the peak of the machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mixformer.bench.peaks import peak_flops
from mixformer.configs.flops import locate_flops, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.training.distributed import Distributed
from mixformer.training.metric_logger import MetricLogger
from mixformer.training.recipe import Recipe
from mixformer.training.run_training import prepare
from mixformer.training.trainer import Trainer

_SIDE = 1024  # of the matrices of the peak, which is measured in every round
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class TrainingSpeed:
    """What was measured, in one process.

    Attributes:
        precision: of matrix products.
        loader: samples per second that the loader processes give while the network computes, if they never wait.
        step: samples per second of forward, backward and optimizer on a batch that is there already.
        together: samples per second of training.
        achieved: operations per second of the step: three times those of the forward pass (2 per multiply-add).
        peak: operations per second of a large matrix product in this precision, measured at the same time.
    """

    precision: str
    loader: float
    step: float
    together: float
    achieved: float
    peak: float


def measure_training(
    recipe: Recipe, precisions: tuple[str, ...], *, device: str = "cpu", steps: int = 5, smoke: bool = False
) -> list[TrainingSpeed]:
    """Measure a recipe in several precisions, by turns, so that they can be compared on a busy machine too.

    Args:
        recipe: what to train; nothing is kept.
        precisions: of matrix products.
        device: "cpu", "cuda" or "cuda:N".
        steps: rounds, in each of which everything is measured once; medians count. One more warms up.
        smoke: made-up pictures in the place of the recipe's data.
    """
    with tempfile.TemporaryDirectory() as folder:
        benches = []
        for precision in precisions:
            plan = recipe.replace(precision=precision, steps=10**9, epochs=0, save_every=10**9, validate_every=0)
            here = Distributed(device=torch.device(device))
            benches.append(_Bench(prepare(plan, Path(folder), resume=False, processes=here, smoke=smoke)))
        rounds = [[bench.measure() for bench in benches] for _ in range(steps + 1)][1:]
    return [bench.speed(list(times)) for bench, times in zip(benches, zip(*rounds, strict=True), strict=True)]


class _Bench:
    """What is measured of one trainer, round by round."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.device, self.parts = trainer, trainer.processes.device, trainer.recipe.accumulate
        trainer.stage.train()
        self.meter = MetricLogger(trainer.folder, 10**9, trainer.recipe.batch, enabled=False)
        self.stream, self.running = trainer.loader(0, 10**6), trainer._batches()
        self.ready = [next(self.stream).to(self.device) for _ in range(self.parts)]

    def measure(self) -> tuple[float, float, float, float]:
        """Operations per second of a matrix product; seconds of the loader, a step, and both together, for a batch."""
        peak = peak_flops(self.device, _DTYPES[self.trainer.recipe.precision], _SIDE)
        loader = sum(next(self.stream).seconds for _ in range(self.parts)) / max(1, self.trainer.recipe.data.workers)
        step = _time(lambda: self.trainer._step(iter(self.ready), self.meter), self.device)
        return peak, loader, step, _time(lambda: self.trainer._step(self.running, self.meter), self.device)

    def speed(self, times: list[tuple[float, float, float, float]]) -> TrainingSpeed:
        """Medians over the rounds."""
        peak, loader, step, both = (statistics.median(column) for column in zip(*times, strict=True))
        recipe = self.trainer.recipe
        flops = 3 * recipe.batch * forward_flops(self.trainer.model.config, recipe.templates)
        return TrainingSpeed(
            recipe.precision, recipe.batch / loader, recipe.batch / step, recipe.batch / both, flops / step, peak
        )


def forward_flops(config: ModelConfig, templates: int) -> int:
    """Operations of one sample's forward pass in training: all templates and the whole last block."""
    return remember_flops(config, templates - 1, full=True) + locate_flops(config, templates - 1, full=True)


def _time(work: Callable[[], object], device: torch.device) -> float:
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
