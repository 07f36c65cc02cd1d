"""The log of a run: means over the last steps as JSON lines, and in TensorBoard where it is installed."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixformer.errors import MissingDependencyError


class Meter:
    """Means over the last steps, written as one JSON line per report."""

    def __init__(
        self, folder: Path, every: int, batch: int, *, enabled: bool = True, tensorboard: bool = False
    ) -> None:
        """Begin a log.

        Args:
            folder: gets `log.jsonl`.
            every: steps between reports.
            batch: samples of a step.
            enabled: False keeps silent; one process of several talks.
            tensorboard: also write TensorBoard's files.

        Raises:
            MissingDependencyError: if TensorBoard is asked for and not installed.
        """
        self._board = _open_board(folder) if tensorboard and enabled else None
        self.path, self.every, self.batch, self.enabled = folder / "log.jsonl", every, batch, enabled
        self.latest: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._count = 0
        self._waited = 0.0
        self._start = time.perf_counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside as time spent waiting for data."""
        begin = time.perf_counter()
        yield
        self._waited += time.perf_counter() - begin

    def add(self, step: int, parts: dict[str, Tensor], lr: float) -> None:
        """Count one step; every so many steps, write the means.

        `waited` is seconds per step spent waiting for data, `busy` the rest; a loader that cannot keep up shows here.
        """
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._count += 1
        if step % self.every == 0:
            seconds = time.perf_counter() - self._start
            self.latest = {name: total / self._count for name, total in self._sums.items()}
            self.latest |= {
                "lr": lr,
                "samples_per_second": self._count * self.batch / seconds,
                "waited": self._waited / self._count,
                "busy": (seconds - self._waited) / self._count,
                "memory_mb": peak_memory(),
            }
            self.note(step, self.latest)
            self._sums, self._count, self._waited, self._start = {}, 0, 0.0, time.perf_counter()

    def note(self, step: int, values: dict[str, float]) -> None:
        """Write a line."""
        if self.enabled:
            with self.path.open("a") as file:
                file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()


def _open_board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "TensorBoard is not installed: pip install 'mixformer[tensorboard]', or set tensorboard = false"
        ) from error
    make: Any = SummaryWriter
    return make(str(folder / "tensorboard"))


def peak_memory() -> float:
    """Most memory used so far in MB: of the GPU if there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
