"""The training loop: resumable at any step, in one process or many, with a moving average of the weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mixformer.data.sample_dataset import Batch, RawBatch, SampleDataset, batches
from mixformer.errors import ConfigError, MixFormerError
from mixformer.models import MixFormer
from mixformer.training.distributed import Distributed
from mixformer.training.metric_logger import MetricLogger
from mixformer.training.optim import EMA, build_optimizer, learning_rate, set_learning_rate
from mixformer.training.recipe import Recipe
from mixformer.training.signals import stop_requests
from mixformer.training.stages import BatchPosition, LossDict, TrainingStage
from mixformer.training.training_state import load_training, save_training

log = logging.getLogger(__name__)

Progress = Callable[[int, dict[str, float]], None]
Validate = Callable[[MixFormer], float]

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TrainingDivergedError(MixFormerError, ArithmeticError):
    """The loss is not a finite number; the last checkpoint is kept."""


class Trainer:
    """One stage of one run in one folder: `state.safetensors` to resume from, `log.jsonl` with a line per report."""

    def __init__(
        self,
        stage: nn.Module,
        dataset: SampleDataset,
        recipe: Recipe,
        folder: Path,
        processes: Distributed | None = None,
    ) -> None:
        """Put a run together; nothing is trained yet.

        Args:
            stage: what is trained, a `TrainingStage`.
            dataset: where samples come from.
            recipe: how.
            folder: where the run is kept; made if it is missing.
            processes: this process among those of the run; by default it is alone, on the CPU.

        Raises:
            ConfigError: if a step's samples cannot be split among the processes.
        """
        self.processes = processes or Distributed()
        parts = self.processes.count * recipe.accumulate
        if recipe.batch % parts:
            raise ConfigError(
                f"batch {recipe.batch} cannot be split into {parts} parts: {self.processes.count} processes, "
                f"accumulate {recipe.accumulate}"
            )
        if recipe.precision == "float16" and self.processes.device.type == "cpu":
            raise ConfigError("precision float16 is for GPUs; take bfloat16 or float32 on a CPU")
        self.stage, self.dataset, self.recipe, self.folder = stage.to(self.processes.device), dataset, recipe, folder
        config = self.model.config
        # The last query convolution of a MixCvT with prediction tokens is read by nothing.
        self.parallel = self.processes.wrap(self.stage, unused=config.backbone == "cvt" and not config.dense)
        self.micro_batch = recipe.batch // parts
        self.optimizer = build_optimizer(stage, recipe)
        self.scaler = torch.amp.GradScaler(enabled=recipe.precision == "float16")
        self.average = EMA(stage, recipe.optimizer.ema) if recipe.optimizer.ema else None
        self.step = 0
        self.best = -math.inf
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """File that holds the state of the run."""
        return self.folder / "state.safetensors"

    @property
    def model(self) -> MixFormer:
        """The network that is trained."""
        return cast(TrainingStage, self.stage).model

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one; the same bits as without the interruption."""
        if not self.checkpoint.exists():
            return False
        self.step, self.best = load_training(self.checkpoint, self.stage, self.optimizer, self.average, self.scaler)
        log.info("resumed at step %d", self.step)
        return True

    def save(self) -> None:
        """Write the checkpoint, atomically; the first process does, the others wait."""
        if self.processes.first:
            save_training(
                self.checkpoint,
                self.step,
                self.best,
                self.stage,
                self.optimizer,
                self.average,
                self.scaler,
                self.recipe.to_dict(),
            )
        self.processes.wait()

    def run(self, report_every: int = 20, progress: Progress | None = None, validate: Validate | None = None) -> None:
        """Train to the recipe's last step.

        Ctrl-C and SIGTERM end the step that is being made, and the checkpoint is written. With several processes they
        stop at once, and the last checkpoint is what `save_every` left.

        Args:
            report_every: steps between lines of the log.
            progress: called after every step with the step number and the latest means.
            validate: measures the averaged network, higher is better; called as the recipe says.

        Raises:
            TrainingDivergedError: if the loss is no finite number.
            KeyboardInterrupt: after Ctrl-C or SIGTERM.
        """
        with stop_requests(self.processes.count == 1) as stop_asked:
            self._run(report_every, progress, validate, stop_asked)

    def _run(
        self, report_every: int, progress: Progress | None, validate: Validate | None, stop_asked: Callable[[], bool]
    ) -> None:
        recipe = self.recipe
        meter = MetricLogger(
            self.folder,
            report_every,
            recipe.batch,
            workers=max(1, recipe.data.workers),
            device=self.processes.device,
            enabled=self.processes.first,
            tensorboard=recipe.tensorboard,
            start=self.step,
        )
        stream = self._batches()
        while self.step < recipe.total_steps:
            self.stage.train()
            parts = self._step(stream, meter)
            self.step += 1
            meter.add(self.step, parts, self.optimizer.param_groups[-1]["lr"])
            if validate is not None and recipe.validate_every and self.step % recipe.validate_every == 0:
                self._validate(validate, meter)
            if progress is not None:
                progress(self.step, meter.latest or meter.means())
            if stop_asked():
                self.save()
                raise KeyboardInterrupt
            if self.step % recipe.save_every == 0:
                self.save()
        self.save()

    @contextmanager
    def averaged(self) -> Iterator[MixFormer]:
        """The network with the moving average in place of the raw weights, in evaluation mode, for a while."""
        parameters = dict(self.stage.named_parameters())
        swapped = {} if self.average is None else self.average.values
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

    def _validate(self, validate: Validate, meter: MetricLogger) -> None:
        """Measure, and keep the best averaged weights."""
        if self.processes.first:
            with self.averaged() as model:
                score = validate(model)
                meter.note(self.step, {"validation": score})
                if score > self.best:
                    self.best = score
                    from mixformer.weights.load_save import save_model

                    save_model(model, self.folder / "best")
        self.processes.wait()

    def loader(self, start: int, stop: int) -> Iterator[Batch | RawBatch]:
        """This process's micro-batches `start` to `stop` (exclusive) of the run, not yet on its device."""
        processes, data, gpu = self.processes, self.recipe.data, self.processes.device.type == "cuda"
        raw = data.crops == "device" or (data.crops == "auto" and gpu)
        place = {"rank": processes.rank, "ranks": processes.count}
        return iter(batches(self.dataset, self.micro_batch, start, stop, data.workers, **place, raw=raw, pin=gpu))

    def _batches(self) -> Iterator[Batch]:
        """This process's micro-batches from the current step to the last, on its device."""
        start, stop = (step * self.recipe.accumulate for step in (self.step, self.recipe.total_steps))
        for batch in self.loader(start, stop):
            yield batch.to(self.processes.device)

    def _step(self, stream: Iterator[Batch], meter: MetricLogger) -> LossDict:
        """One optimizer step over all micro-batches; means of the parts over them and over the processes."""
        recipe = self.recipe
        factor = learning_rate(self.step, recipe.total_steps, recipe.optimizer)
        set_learning_rate(self.optimizer, factor)
        self.optimizer.zero_grad(set_to_none=True)
        sums: LossDict = {}
        for index in range(recipe.accumulate):
            with meter.waiting():
                batch = next(stream)
            meter.loaded(batch.seconds)
            last = index == recipe.accumulate - 1
            for name, value in self._backward(batch, index, last).items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.float() / recipe.accumulate
        sums["grad"] = self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.stage, self.step)
        return {name: self.processes.mean(value) for name, value in sums.items()}

    def _backward(self, batch: Batch, index: int, last: bool) -> LossDict:
        """Loss and gradients of one micro-batch; gradients are shared between processes with the last one."""
        recipe = self.recipe
        # Random factors depend on the step, not on history, and are the same in every process and micro-batch.
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)
        alone: AbstractContextManager[None] = nullcontext()
        if not last and isinstance(self.parallel, DistributedDataParallel):
            alone = self.parallel.no_sync()
        with alone:
            with self._autocast():
                loss, parts = self.parallel(batch, self._clock(index))
            self._require_finite(loss)
            self.scaler.scale(loss / recipe.accumulate).backward()
        return {"loss": loss.detach(), **parts}

    def _clock(self, index: int) -> BatchPosition:
        count = self.processes.count
        start = index * self.micro_batch * count
        places = slice(start + self.processes.rank, start + self.micro_batch * count, count)
        return BatchPosition(self.step, self.recipe.epoch_steps, self.recipe.batch, places)

    def _require_finite(self, loss: Tensor) -> None:
        # The mean over processes is no number in all of them if it is none in one, so all stop together.
        if not math.isfinite(self.processes.mean(loss.detach()).item()):
            raise TrainingDivergedError(self._advice("the loss", loss.item()))

    def _advice(self, what: str, value: float) -> str:
        return (
            f"{what} is {value} at step {self.step}; the checkpoint {self.checkpoint} holds the last good state. "
            "Resume from it with a lower learning rate or with precision float32."
        )

    def _clip(self) -> Tensor:
        """Limit the gradient; returns its norm before that."""
        trained = [p for p in self.stage.parameters() if p.requires_grad]
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(trained, self.recipe.optimizer.clip or math.inf).detach()
        if not self.scaler.is_enabled() and not math.isfinite(norm.item()):  # a scaler leaves such a step out by itself
            raise TrainingDivergedError(self._advice("the gradient", norm.item()))
        return norm

    def _autocast(self) -> AbstractContextManager[object]:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.processes.device.type, _HALF[self.recipe.precision])
