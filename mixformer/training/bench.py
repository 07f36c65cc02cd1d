"""How fast a recipe trains here: its loader, its step, and both together, beside the peak of the machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mixformer.config import ModelConfig
from mixformer.counting import locate_flops, remember_flops
from mixformer.data.dataset import batches
from mixformer.training.meter import Meter
from mixformer.training.processes import Processes
from mixformer.training.recipe import Recipe
from mixformer.training.run import prepare
from mixformer.training.trainer import Trainer

_MATRIX = 2048  # side of the matrices that the peak is measured with
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class TrainingSpeed:
    """What was measured, in one process.

    Attributes:
        precision: of matrix products.
        loader: samples per second that the loader gives alone.
        step: samples per second of forward, backward and optimiser on a batch that is there already.
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
    """Measure a recipe in several precisions; medians over `steps`, after one step that is not counted.

    Args:
        recipe: what to train; nothing is kept.
        precisions: of matrix products.
        device: "cpu", "cuda" or "cuda:N".
        steps: measured batches and steps.
        smoke: made-up pictures in the place of the recipe's data.
    """
    found = []
    for precision in precisions:
        with tempfile.TemporaryDirectory() as folder:
            plan = recipe.replace(precision=precision, steps=10**9, epochs=0, save_every=10**9, validate_every=0)
            here = Processes(device=torch.device(device))
            trainer = prepare(plan, Path(folder), resume=False, processes=here, smoke=smoke)
            found.append(_measure(trainer, precision, steps))
    return found


def _measure(trainer: Trainer, precision: str, steps: int) -> TrainingSpeed:
    recipe, device = trainer.recipe, trainer.processes.device
    trainer.stage.train()
    stream = iter(batches(trainer.dataset, trainer.micro_batch, 0, 10**6, recipe.data.workers))
    loader = _median(lambda: next(stream), steps * recipe.accumulate, device) * recipe.accumulate
    meter = Meter(trainer.folder, 10**9, recipe.batch, enabled=False)
    ready = [next(stream).to(device) for _ in range(recipe.accumulate)]
    alone = _median(lambda: trainer._step(iter(ready), meter), steps, device)
    running = trainer._batches()
    both = _median(lambda: trainer._step(running, meter), steps, device)
    flops = 3 * recipe.batch * forward_flops(trainer.model.config, recipe.templates)
    return TrainingSpeed(
        precision,
        recipe.batch / loader,
        recipe.batch / alone,
        recipe.batch / both,
        flops / alone,
        peak_flops(device, _DTYPES[precision]),
    )


def forward_flops(config: ModelConfig, templates: int) -> int:
    """Operations of one sample's forward pass in training: all templates and the whole last block."""
    return remember_flops(config, templates - 1, full=True) + locate_flops(config, templates - 1, full=True)


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product, the best of several."""
    a, b = (torch.randn(_MATRIX, _MATRIX, device=device, dtype=dtype) for _ in range(2))
    times = [_time(lambda: a @ b, device) for _ in range(6)]
    return 2 * _MATRIX**3 / min(times)


def _median(work: Callable[[], object], times: int, device: torch.device) -> float:
    """Seconds of a piece of work: the median, after one that is not counted."""
    work()
    return statistics.median(_time(work, device) for _ in range(times))


def _time(work: Callable[[], object], device: torch.device) -> float:
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
