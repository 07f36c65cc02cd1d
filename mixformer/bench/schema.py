"""Options and report of a benchmark, as values that are written to JSON and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mixformer.bench.machine import Machine
from mixformer.bench.peak import Efficiency
from mixformer.bench.stats import Spread
from mixformer.configs.base_config import BaseConfig
from mixformer.errors import ConfigError

FORMAT = 3


@dataclass(frozen=True)
class BenchmarkOptions(BaseConfig):
    """Options of a benchmark.

    Attributes:
        frames: measured per case and round.
        rounds: in each of which every case takes its turn.
        threads: of every engine on the CPU; None takes every core that this process may use.
        device: as in `mixformer.create_engine`.
        batches: numbers of targets to locate at once, each 1 or more; empty leaves this out.
        memory: also measure the memory of every engine, in processes of their own.

    Raises:
        ConfigError: for a number below 1.

    Example:
        >>> from mixformer.bench import BenchmarkOptions
        >>> BenchmarkOptions(rounds=3, batches=(1, 8)).frames
        20
    """

    frames: int = 20
    rounds: int = 7
    threads: int | None = None
    device: str = "cpu"
    batches: tuple[int, ...] = ()
    memory: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "rounds", "threads"):
            value = getattr(self, name)
            self._require(value is None or value >= 1, f"{name} must be a whole number above 0, not {value}")
        self._require(all(size >= 1 for size in self.batches), f"batches must be numbers above 0, not {self.batches}")


@dataclass(frozen=True)
class ClipFigures(BaseConfig):
    """The clip that was tracked: name, size in pixels, and milliseconds per frame of reading and decoding it alone."""

    name: str
    width: int
    height: int
    decode: Spread


@dataclass(frozen=True)
class UpdateTimes(BaseConfig):
    """Milliseconds per frame over all rounds: percentiles of a whole `Tracker.update`, medians of its parts."""

    p50: float
    p95: float
    crop: float
    network: float
    rest: float


@dataclass(frozen=True)
class BatchSpeed(BaseConfig):
    """`size` targets located in one call: milliseconds of a call, and what follows from their median."""

    size: int
    milliseconds: Spread
    targets_per_second: float
    efficiency: Efficiency


@dataclass(frozen=True)
class CaseResult(BaseConfig):
    """Measurements of one case. If the case could not run, only `failed` is set, with the reason.

    `speedup` is over the reference, network and crop together, round by round. `end_to_end` is frames per second of
    reading, decoding and tracking the clip. Memory is the largest of a process that tracks a few frames, in MiB.
    """

    model: str
    engine: str
    precision: str
    failed: str | None = None
    times: UpdateTimes | None = None
    speedup: Spread | None = None
    end_to_end: Spread | None = None
    efficiency: Efficiency | None = None
    memory_mb: float | None = None
    batches: tuple[BatchSpeed, ...] = ()


@dataclass(frozen=True)
class BenchmarkReport(BaseConfig):
    """A whole run; `to_file` writes JSON, `from_file` reads it.

    Attributes:
        format: of the JSON.
        date: day of the run, YYYY-MM-DD.
        note: anything a reader must know, such as other load on the machine.
        machine: that it ran on.
        options: of the run.
        clip: that was tracked.
        peaks: operations per second of a large matrix product, by library and precision, the best of all rounds.
        results: of the cases, in order.

    Raises:
        ConfigError: if the format is another one, such as that of mixformer 0.1.

    Example:
        >>> from mixformer.bench import BenchmarkReport
        >>> report = BenchmarkReport.from_file("here.json")  # doctest: +SKIP
        >>> report.results[1].times.p95  # doctest: +SKIP
        9.8
    """

    format: int
    date: str
    note: str
    machine: Machine
    options: BenchmarkOptions
    clip: ClipFigures
    peaks: dict[str, float]
    results: tuple[CaseResult, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, as `BaseConfig.from_dict` does."""
        if values.get("format") != FORMAT:
            raise ConfigError(f"cannot read a benchmark report of format {values.get('format')}; measure again")
        return super().from_dict(values)
