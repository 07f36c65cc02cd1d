"""The training loop: resumable at any step, in one process or many, with a moving average of the weights."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mixformer.data.sample_dataset import Batch, RawBatch, SampleDataset, batches
from mixformer.engines.devices import has_bfloat16
from mixformer.engines.torch_engine import HALF
from mixformer.errors import ConfigError, TrainingDivergedError
from mixformer.models import MixFormer
from mixformer.training.distributed import Distributed
from mixformer.training.metric_logger import MetricLogger, as_logged
from mixformer.training.optim import EMA, build_optimizer, learning_rate
from mixformer.training.recipe import Recipe
from mixformer.training.signals import stop_requests
from mixformer.training.stages import BatchPosition, LossDict, TrainingStage
from mixformer.training.training_state import CHECKPOINT, load_training, save_training
from mixformer.weights.load_save import save_model

log = logging.getLogger(__name__)

ProgressCallback = Callable[[int, dict[str, float]], None]
"""Called after every step with the number of steps done and the latest means of the log."""
Validator = Callable[[MixFormer], float]
"""Score of a network; higher is better."""


def precision_on(device: str, precision: str) -> str:
    """Return the precision of matrix products on a device ("cpu", "cuda"), where "auto" takes the usual one there."""
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


class Trainer:
    """One training run in one folder, with `state.safetensors` to resume from and `log.jsonl` with the metrics."""

    def __init__(
        self,
        stage: nn.Module,
        dataset: SampleDataset,
        recipe: Recipe,
        folder: Path,
        processes: Distributed | None = None,
    ) -> None:
        """Prepare a run in its folder; nothing is trained yet. `stage` is a `TrainingStage`: the network and its loss.

        Raises ConfigError if a step's samples cannot be split among the processes, by default one on the CPU.
        """
        self.processes = processes or Distributed()
        parts = self.processes.count * recipe.grad_accum_steps
        if recipe.batch_size % parts:
            raise ConfigError(
                f"batch_size {recipe.batch_size} cannot be split into {parts} parts ({self.processes.count} processes, "
                f"grad_accum_steps {recipe.grad_accum_steps}); choose a multiple"
            )
        self.precision = precision_on(self.processes.device.type, recipe.precision)
        if self.precision == "float16" and self.processes.device.type == "cpu":
            raise ConfigError("precision float16 needs a GPU; use bfloat16 or float32 on a CPU")
        self.stage, self.dataset, self.recipe, self.folder = stage.to(self.processes.device), dataset, recipe, folder
        config = self.model.config
        # Nothing uses the last query convolution of a MixCvT with prediction tokens.
        self.parallel = self.processes.wrap(self.stage, unused=config.backbone == "cvt" and not config.dense)
        self.micro_batch = recipe.batch_size // parts
        self.optimizer = build_optimizer(stage, recipe)
        self.scaler = torch.amp.GradScaler(enabled=self.precision == "float16")
        self.ema = EMA(stage, recipe.optimizer.ema_decay) if recipe.optimizer.ema_decay else None
        self.step, self.best, self.waited = 0, -math.inf, 0  # steps done, best validation, validations since it
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """File with the state of the run."""
        return self.folder / CHECKPOINT

    @property
    def model(self) -> MixFormer:
        """The network that is trained."""
        return cast(TrainingStage, self.stage).model

    def resume(self) -> bool:
        """Continue from the checkpoint if there is one. On a CPU the weights equal those of an uninterrupted run."""
        if not self.checkpoint.exists():
            return False
        found = load_training(self.checkpoint, self.stage, self.optimizer, self.ema, self.scaler)
        self.step, self.best, self.waited = found
        log.info("resumed at step %d", self.step)
        return True

    def save(self) -> None:
        """Write the checkpoint atomically; the first process writes, the others wait."""
        if self.processes.first:
            self._write()
        self.processes.wait()

    def _write(self) -> None:
        parts = self.stage, self.optimizer, self.ema, self.scaler, self.recipe.to_dict()
        save_training(self.checkpoint, self.step, self.best, self.waited, *parts)

    def run(
        self,
        report_every: int = 20,
        progress: ProgressCallback | None = None,
        validate: Validator | None = None,
        begun: Callable[[], None] | None = None,
    ) -> None:
        """Train to the recipe's last step, or until its `patience` has ended.

        After Ctrl-C or SIGTERM, one process finishes the current step, writes the checkpoint and raises
        KeyboardInterrupt. Several processes stop at once; their last checkpoint is that of `save_interval`. The folder
        does not change before the first step. `validate` scores the averaged network every `val_interval` steps;
        `begun` is called after the first step. Raises TrainingDivergedError if the loss or gradient is not a finite
        number.
        """
        recipe = self.recipe
        first, replaces = self.step + 1, self.processes.first and not self.step and self.checkpoint.exists()
        with (
            # Closing ends the loader's processes, even if a traceback keeps this call alive.
            closing(self._batches()) as stream,
            stop_requests(self.processes.count == 1) as stop_asked,
            MetricLogger(
                self.folder,
                report_every,
                recipe.batch_size,
                workers=max(1, recipe.data.workers),
                device=self.processes.device,
                enabled=self.processes.first,
                boards=recipe.boards,
                start=self.step,
            ) as metrics,
        ):
            # The loop counts steps, not data, so that a resumed run uses the same batches.
            while self.step < recipe.total_steps and not self.stopped_early:
                self.stage.train()
                parts = self._step(stream, metrics)
                self.step += 1
                if begun is not None and self.step == first:
                    begun()
                metrics.add(self.step, parts, self.optimizer.param_groups[-1]["lr"])
                if replaces and self.step == first:  # the log is new now, so replace the weights of the earlier run
                    self._write()
                    shutil.rmtree(self.folder / "best", ignore_errors=True)
                if validate is not None and recipe.val_interval and self.step % recipe.val_interval == 0:
                    self._validate(validate, metrics)
                if progress is not None:
                    progress(self.step, metrics.latest or metrics.means())
                # Stop only here, between steps, where weights and optimizer fit together.
                if stop_asked():
                    metrics.finish(self.step)
                    self.save()
                    raise KeyboardInterrupt
                if self.step % recipe.save_interval == 0:
                    self.save()
            metrics.finish(self.step)
            self.save()

    @property
    def stopped_early(self) -> bool:
        """Tell whether `patience` validations in a row were no better than the best one."""
        return 0 < self.recipe.patience <= self.waited

    @contextmanager
    def averaged(self) -> Iterator[MixFormer]:
        """Give the network the moving average of its weights, in evaluation mode, inside a `with` block."""
        parameters = dict(self.stage.named_parameters())
        swapped = {} if self.ema is None else self.ema.values
        raw = {name: parameters[name].detach().clone() for name in swapped}
        training = self.stage.training
        try:
            with torch.no_grad():
                for name, value in swapped.items():
                    parameters[name].copy_(value)
            self.stage.eval()
            yield self.model
        finally:
            with torch.no_grad():
                for name, value in raw.items():
                    parameters[name].copy_(value)
            self.stage.train(training)

    def _validate(self, validate: Validator, metrics: MetricLogger) -> None:
        """Score the averaged weights, and write the best ones to `best/`."""
        waited = 0
        if self.processes.first:
            with self.averaged() as model:
                score = as_logged(validate(model))  # so that the best line of the log is that of the weights
                metrics.note(self.step, {"validation": score})
                waited = self.waited + 1
                if score > self.best:
                    self.best, waited = score, 0
                    save_model(model, self.folder / "best")
        self.waited = round(self.processes.of_first(waited))

    def loader(self, start: int, stop: int) -> Iterator[Batch | RawBatch]:
        """Load this process's micro-batches `start` to `stop` (exclusive) of the run, not yet on its device."""
        processes, data, gpu = self.processes, self.recipe.data, self.processes.device.type == "cuda"
        raw = data.crop_on == "device" or (data.crop_on == "auto" and gpu)
        place = {"rank": processes.rank, "ranks": processes.count}
        return iter(batches(self.dataset, self.micro_batch, start, stop, data.workers, **place, raw=raw, pin=gpu))

    def _batches(self) -> Generator[Batch, None, None]:
        """Yield this process's micro-batches from the current step to the last, on its device."""
        start, stop = (step * self.recipe.grad_accum_steps for step in (self.step, self.recipe.total_steps))
        for batch in self.loader(start, stop):
            yield batch.to(self.processes.device)

    def _step(self, stream: Iterator[Batch], metrics: MetricLogger) -> LossDict:
        """Make one optimizer step; return the means of the loss parts over micro-batches and processes."""
        recipe = self.recipe
        factor = learning_rate(self.step, recipe.total_steps, recipe.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self.optimizer.zero_grad(set_to_none=True)
        sums: LossDict = {}
        for index in range(recipe.grad_accum_steps):
            with metrics.waiting():
                batch = next(stream)
            metrics.loaded(batch.seconds)
            last = index == recipe.grad_accum_steps - 1
            for name, value in self._backward(batch, index, last).items():
                part = value.float() / recipe.grad_accum_steps
                sums[name] = sums[name] + part if name in sums else part
        sums["grad"] = self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.stage, self.step)
        return {name: self.processes.mean(value) for name, value in sums.items()}

    def _backward(self, batch: Batch, index: int, last: bool) -> LossDict:
        """Compute loss and gradients of one micro-batch; with the last one, processes share their gradients."""
        recipe = self.recipe
        # Random factors depend on the step, not on history, and are the same in every process and micro-batch.
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)
        alone: AbstractContextManager[None] = nullcontext()
        if not last and isinstance(self.parallel, DistributedDataParallel):
            alone = self.parallel.no_sync()
        with alone:
            with self._autocast():
                loss, parts = self.parallel(batch, self._position(index))
            # If the loss of one process is not finite, the mean is not finite in any, so all stop together.
            if not math.isfinite(self.processes.mean(loss.detach()).item()):
                raise TrainingDivergedError(self._advice("the loss", loss.item()))
            self.scaler.scale(loss / recipe.grad_accum_steps).backward()
        return {"loss": loss.detach(), **parts}

    def _position(self, index: int) -> BatchPosition:
        count = self.processes.count
        start = index * self.micro_batch * count
        places = slice(start + self.processes.rank, start + self.micro_batch * count, count)
        return BatchPosition(self.step, self.recipe.epoch_steps, self.recipe.batch_size, places)

    def _advice(self, what: str, value: float) -> str:
        return (
            f"{what} is {value} at step {self.step}; the checkpoint {self.checkpoint} holds the last good state. "
            "Resume from it with a lower learning rate or with precision float32."
        )

    def _clip(self) -> Tensor:
        """Limit the norm of the gradient; return the norm before."""
        trained = [p for p in self.stage.parameters() if p.requires_grad]
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(trained, self.recipe.optimizer.grad_clip or math.inf).detach()
        if not self.scaler.is_enabled() and not math.isfinite(norm.item()):  # a scaler skips such a step
            raise TrainingDivergedError(self._advice("the gradient", norm.item()))
        return norm

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.processes.device.type, HALF[self.precision])
