"""The options and the report of a benchmark, as JSON, with the machine of a measurement without its name or paths."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mixformer import __version__
from mixformer.bench.peak import Efficiency
from mixformer.bench.stats import Spread
from mixformer.configs.base_config import BaseConfig
from mixformer.engines.devices import cpu_instructions, processor, usable_cores
from mixformer.errors import ConfigError
from mixformer.optional import package_version

FORMAT = 3
PACKAGES = ("torch", "openvino", "onnxruntime", "numpy", "av")


@dataclass(frozen=True)
class BenchmarkOptions(BaseConfig):
    """Options of a benchmark.

    Attributes:
        frames: number of frames to measure per case and round.
        rounds: number of rounds; every case has a turn in each.
        threads: number of CPU threads of every engine; None takes every core that this process may use.
        device: as in `mixformer.Runtime`.
        batches: numbers of targets to locate at once, each 1 or more; empty leaves this out.
        memory: also measure the memory of every engine, in separate processes.

    Raises ConfigError for a number below 1.

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
class Machine(BaseConfig):
    """The properties of a machine that decide its speed."""

    processor: str  # model name
    cores: int  # cores that this process may use
    instructions: tuple[str, ...]  # instruction sets for matrix products, by the kernel's names
    memory_gb: float | None  # memory of the whole machine in GiB
    gpu: str | None  # name of the measured GPU
    system: str  # operating system and architecture
    python: str  # version of Python
    packages: dict[str, str]  # versions of packages


def describe_machine(device: str = "cpu") -> Machine:
    """Describe the machine that runs this. `device` is PyTorch's name of the measured GPU ("cuda:0"), or "cpu"."""
    gpu = memory = None
    if device.startswith("cuda"):
        import torch

        gpu = str(torch.cuda.get_device_name(torch.device(device)))
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return Machine(
        processor=processor(),
        cores=usable_cores(),
        instructions=cpu_instructions(),
        memory_gb=memory,
        gpu=gpu,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={"mixformer": __version__} | {name: found for name in PACKAGES if (found := package_version(name))},
    )


@dataclass(frozen=True)
class ClipFigures(BaseConfig):
    """The tracked clip."""

    name: str
    width: int  # pixels
    height: int
    decode: Spread  # milliseconds per frame of reading and decoding


@dataclass(frozen=True)
class UpdateTimes(BaseConfig):
    """Milliseconds per frame over all rounds: percentiles of a whole `Tracker.update`, and medians of its parts."""

    p50: float
    p95: float
    crop: float
    network: float
    rest: float


@dataclass(frozen=True)
class BatchSpeed(BaseConfig):
    """The speed of locating several targets in one call."""

    size: int  # number of targets
    milliseconds: Spread  # of a call
    targets_per_second: float  # from the median
    efficiency: Efficiency


@dataclass(frozen=True)
class CaseResult(BaseConfig):
    """The measurements of one case."""

    model: str
    engine: str
    precision: str
    failed: str | None = None  # reason why the case could not run; nothing else is measured then
    times: UpdateTimes | None = None
    speedup: Spread | None = None  # over the reference, network and crop together, round by round
    end_to_end: Spread | None = None  # frames per second of reading, decoding and tracking the clip
    efficiency: Efficiency | None = None
    memory_mb: float | None = None  # peak memory in MiB of a process that tracks a few frames
    batches: tuple[BatchSpeed, ...] = ()


@dataclass(frozen=True)
class BenchmarkReport(BaseConfig):
    """The report of a run. `to_file` writes it as JSON, `from_file` reads it.

    Attributes:
        format: version of the JSON.
        date: day of the run, YYYY-MM-DD.
        note: remark for readers, such as other load on the machine.
        machine: the machine of the run.
        options: the options of the run.
        clip: the tracked clip.
        peaks: operations per second of a large matrix product, by library and precision, the best of all rounds.
        results: measurements of the cases, in order.

    Raises ConfigError if the format is another one, such as that of mixformer 0.1.

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
