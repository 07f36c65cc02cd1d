"""The training loop: resumable at any step, logged, with a moving average of the weights."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from mixformer.data.dataset import Batch, ShotDataset, batches
from mixformer.errors import MixFormerError
from mixformer.models import MixFormer
from mixformer.training.checkpoint import load_training, save_training
from mixformer.training.optim import MovingAverage, build_optimiser, learning_rate, set_learning_rate
from mixformer.training.recipe import Recipe
from mixformer.training.stages import BoxStage, ScoreStage

log = logging.getLogger(__name__)

Progress = Callable[[int, dict[str, float]], None]


class TrainingDivergedError(MixFormerError, ArithmeticError):
    """The loss is not a finite number; the last checkpoint is kept."""


class Trainer:
    """One stage of one run in one folder: `state.safetensors` to resume from, `log.jsonl` with a line per report."""

    def __init__(
        self, stage: BoxStage | ScoreStage, dataset: ShotDataset, recipe: Recipe, folder: Path, device: str
    ) -> None:
        self.stage, self.dataset, self.recipe, self.folder = stage.to(device), dataset, recipe, folder
        self.device = torch.device(device)
        self.optimiser = build_optimiser(stage, recipe)
        self.average = MovingAverage(stage, recipe.ema) if recipe.ema else None
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """File that holds the state of the run."""
        return self.folder / "state.safetensors"

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one; the same bits as without the interruption."""
        if not self.checkpoint.exists():
            return False
        self.step = load_training(self.checkpoint, self.stage, self.optimiser, self.average)
        log.info("resumed at step %d", self.step)
        return True

    def save(self) -> None:
        """Write the checkpoint, atomically."""
        save_training(self.checkpoint, self.step, self.stage, self.optimiser, self.average, self.recipe.to_dict())

    def run(self, report_every: int = 20, progress: Progress | None = None) -> None:
        """Train to the recipe's last step.

        Args:
            report_every: steps between lines of the log.
            progress: called after every step with the step number and the latest means.

        Raises:
            TrainingDivergedError: if the loss is no finite number.
        """
        self.stage.train()
        meter = Meter(self.folder / "log.jsonl", report_every)
        for batch in self._batches():
            waited = meter.waited()
            parts = self._step(batch)
            self.step += 1
            meter.add(self.step, parts, waited, self.optimiser.param_groups[-1]["lr"], self.recipe.batch)
            if progress is not None:
                progress(self.step, meter.latest)
            if self.step % self.recipe.save_every == 0:
                self.save()
        self.save()

    def averaged_model(self) -> MixFormer:
        """The network with the moving average in place of the raw weights: what is measured and exported."""
        if self.average is not None:
            with torch.no_grad():
                for name, parameter in self.stage.named_parameters():
                    if name in self.average.values:
                        parameter.copy_(self.average.values[name])
        return self.stage.model.eval()

    def _batches(self) -> Iterator[Batch]:
        recipe = self.recipe
        for batch in batches(self.dataset, recipe.batch, self.step, recipe.steps, recipe.workers):
            yield batch.to(self.device)

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)  # stochastic depth depends on the step, not on history
        set_learning_rate(self.optimiser, learning_rate(self.step, recipe))
        with self._autocast():
            loss, parts = self.stage(batch)
        if not math.isfinite(loss.item()):
            raise TrainingDivergedError(
                f"the loss is {loss.item()} at step {self.step}; the checkpoint {self.checkpoint} holds the last good "
                "state. Resume from it with a lower learning rate or with precision float32."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = [p for p in self.stage.parameters() if p.requires_grad]
        parts["grad"] = nn.utils.clip_grad_norm_(trained, recipe.clip).detach()
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.stage, self.step)
        return {"loss": loss.detach(), **parts}

    def _autocast(self) -> AbstractContextManager[object]:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


class Meter:
    """Means over the last steps, written as one JSON line per report."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.latest: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._count = 0
        self._start = self._last = time.perf_counter()

    def waited(self) -> float:
        """Seconds since the last step ended: the time spent waiting for data."""
        return time.perf_counter() - self._last

    def add(self, step: int, parts: dict[str, Tensor], waited: float, lr: float, batch: int) -> None:
        """Count one step; every so many steps, write the means."""
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._sums["waited"] = self._sums.get("waited", 0.0) + waited
        self._count += 1
        self._last = time.perf_counter()
        if step % self.every == 0:
            self._write(step, lr, batch)

    def _write(self, step: int, lr: float, batch: int) -> None:
        seconds = self._last - self._start
        self.latest = {name: total / self._count for name, total in self._sums.items()}
        self.latest |= {"lr": lr, "samples_per_second": self._count * batch / seconds}
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in self.latest.items()}}) + "\n")
        self._sums, self._count, self._start = {}, 0, self._last
