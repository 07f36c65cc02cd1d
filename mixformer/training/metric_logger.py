"""The log of a run: means over the last steps as JSON lines, and on request on boards of other programs."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from mixformer.errors import DataError, OutputError
from mixformer.files import parse_json, write_text
from mixformer.training.metric_boards import MetricBoard, boards_of


class MetricLogger:
    """Means over the last steps, written as one JSON line per report."""

    def __init__(
        self,
        folder: Path,
        every: int,
        batch: int,
        *,
        workers: int = 1,
        device: torch.device | None = None,
        enabled: bool = True,
        boards: Sequence[str] = (),
        start: int = 0,
    ) -> None:
        """Start a log, or continue one. An existing log does not change before the first step.

        A line is written every `every` steps of `batch` samples, and to `boards` too, unless `enabled` is False: of
        several processes, only the first writes. Lines of steps after `start` are removed, because these steps are
        repeated. The peak memory is that of `device`, by default of this process.
        """
        self._new_boards = boards_of(boards, folder, start) if enabled else []
        self._boards: list[MetricBoard] = []
        self.path, self.every, self.batch, self.enabled = folder / "log.jsonl", every, batch, enabled
        self._start_step, self._begun = start, not enabled
        self.workers, self.device = workers, device or torch.device("cpu")
        self.latest: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}
        self._count, self._lr = 0, 0.0
        self._waited = self._loading = 0.0
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End the runs on the boards, and tell them how the run ended."""
        boards, self._boards = self._boards, []
        for board in boards:
            if kind is None:
                board.close("finished")
                continue
            with suppress(Exception):  # it would hide the error that ends the run
                board.close("stopped" if issubclass(kind, KeyboardInterrupt) else "failed")

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside the `with` block as time spent waiting for data."""
        begin = time.perf_counter()
        yield
        self._waited += time.perf_counter() - begin

    def loaded(self, seconds: float) -> None:
        """Count the time that a loader process took for a batch."""
        self._loading += seconds

    def add(self, step: int, parts: dict[str, Tensor], lr: float) -> None:
        """Count one step; after every `every` steps, write the means.

        `waited` is the seconds per step spent waiting for data, and `busy` the rest: a slow loader shows here.
        `loader_samples_per_second` is the rate at which the loader processes could work without waiting.
        """
        if not self._begun:
            self._begin()
        for name, value in parts.items():  # no `float` here: it would wait for the device
            self._sums[name] = self._sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()
        self._count += 1
        self._lr = lr
        if step % self.every == 0:
            self.add_line(step)

    def _begin(self) -> None:
        self._begun = True
        if self.path.exists():
            kept = [line for line in read_log(self.path) if line["step"] <= self._start_step]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        self._boards = [make() for make in self._new_boards]

    def add_line(self, step: int) -> None:
        """Write the means since the last line, and start new ones."""
        self.latest = self.means()
        self.note(step, self.latest)
        self._sums, self._count, self._waited, self._loading = {}, 0, 0.0, 0.0
        self._start = time.perf_counter()

    def finish(self, step: int) -> None:
        """Write the means of the steps since the last line, when a run ends or stops."""
        if self._count:
            self.add_line(step)

    def means(self) -> dict[str, float]:
        """Compute the means since the last report; {} if there was no step since then."""
        if not self._count:
            return {}
        seconds = time.perf_counter() - self._start
        found = {name: float(total) / self._count for name, total in self._sums.items()}
        found |= {"lr": self._lr, "samples_per_second": self._count * self.batch / seconds}
        if self._loading:
            found["loader_samples_per_second"] = self.workers * self._count * self.batch / self._loading
        found |= {"waited": self._waited / self._count, "busy": (seconds - self._waited) / self._count}
        return found | {"memory_mb": peak_memory(self.device)}

    def note(self, step: int, values: dict[str, float]) -> None:
        """Write a line."""
        if self.enabled:
            line = {name: as_logged(value) if math.isfinite(value) else None for name, value in values.items()}
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"step": step, **line}) + "\n")
            except OSError as error:
                raise OutputError(f"cannot write {self.path}: {error}; the same command resumes the run") from error
        for board in self._boards:
            board.write(step, values)


def as_logged(value: float) -> float:
    """Round a number as the log has it."""
    return round(value, 6)


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log, without values that were infinite, and without a line that was cut short.

    A log that is not there has none.
    """
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(DataError):
            found = parse_json(line, path)
            if isinstance(found, dict) and isinstance(found.get("step"), int):
                yield {name: value for name, value in found.items() if value is not None}


def peak_memory(device: torch.device) -> float:
    """Return the peak memory in MB: of the GPU, or of this process if the device is no GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows has no such module
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
