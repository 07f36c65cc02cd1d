"""Measure how fast a recipe trains on this machine; nothing is kept.

Prints samples per second of the loader alone, of the step alone and of both together, and the share of the machine's
peak that the step reaches. If the loader is slower than the step, the step has to wait for it.

  python benchmarks/training.py recipes/dino_s8_boxes.toml
  python benchmarks/training.py recipes/mixvit_stage1.toml --dry-run --set batch_size=8 --precision bfloat16
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from mixformer.bench.peak import PeakProbe
from mixformer.configs.flops import locate_flops, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.engines.torch_engine import find_device
from mixformer.errors import MixFormerError
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


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="TOML file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="recipe fields to change")
    precisions = "precisions to compare: float32, bfloat16, float16 (GPUs)"
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"], help=precisions)
    parser.add_argument("--steps", type=int, default=5, help="measured steps; the median counts")
    parser.add_argument("--dry-run", action="store_true", help="use made-up pictures instead of the recipe's data")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    options = parser.parse_args(arguments)
    try:
        recipe, device = Recipe.from_toml(options.recipe, options.set), str(find_device(options.device))
        speeds = measure_training(
            recipe, options.precision, device=device, steps=options.steps, dry_run=options.dry_run
        )
    except MixFormerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("samples per second; operations count three forward passes per step")
    print(f"{'precision':10s}{'loader':>9s}{'step':>9s}{'together':>9s}{'speedup':>9s}{'TFLOP/s':>9s}{'of peak':>9s}")
    for each in speeds:
        rates = f"{each.loader:9.1f}{each.step:9.1f}{each.together:9.1f}{each.step / speeds[0].step:8.2f}x"
        print(f"{each.precision:10s}{rates}{each.achieved / 1e12:9.3g}{each.achieved / each.peak:9.0%}")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in speeds], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
