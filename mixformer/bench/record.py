"""What a measurement leaves behind: values that become JSON and come back, one file per machine and date."""

from __future__ import annotations

from dataclasses import dataclass

from mixformer.bench.machine import Machine
from mixformer.bench.peaks import Peaks
from mixformer.bench.startup import Startup
from mixformer.bench.stats import Spread
from mixformer.configs.base_config import BaseConfig

FORMAT = 1


@dataclass(frozen=True)
class Settings(BaseConfig):
    """How it was measured.

    Attributes:
        clip: name of the video.
        width: of its frames, pixels.
        height: of its frames, pixels.
        frames: measured per visit.
        rounds: visits of every candidate; round by round, one candidate after the other.
        threads: that every engine may use.
        device: "cpu" or a GPU.
    """

    clip: str
    width: int
    height: int
    frames: int
    rounds: int
    threads: int
    device: str


@dataclass(frozen=True)
class Times(BaseConfig):
    """Milliseconds per frame over all rounds: percentiles of the whole update, medians of its parts."""

    p50: float
    p95: float
    p99: float
    crop: float
    network: float
    rest: float


@dataclass(frozen=True)
class Reached(BaseConfig):
    """What the network's median time comes to.

    Attributes:
        flops: operations per frame (or per batch), 2 per multiply-add, by formula.
        bytes: weights, keys and values that it must read for that.
        flops_per_second: the one over the time.
        bytes_per_second: the other; weights that stay in a cache can exceed the bandwidth of memory.
        of_products: share of the peak of matrix products in the same precision, measured in the same rounds: the
            median. None without such a peak.
        of_bandwidth: share of the peak of reading memory, likewise.
    """

    flops: int
    bytes: int
    flops_per_second: float
    bytes_per_second: float
    of_products: float | None
    of_bandwidth: float


@dataclass(frozen=True)
class Batch(BaseConfig):
    """Several targets located at once.

    Attributes:
        size: targets.
        milliseconds: of one call of the engine, over the rounds.
        targets_per_second: by the median.
        reached: in that time.
    """

    size: int
    milliseconds: Spread
    targets_per_second: float
    reached: Reached


@dataclass(frozen=True)
class Result(BaseConfig):
    """One candidate.

    Attributes:
        model: its name.
        weights: "stored", or "random" where the model has none here: then the box is held in place.
        engine: as asked for.
        precision: of matrix products, as the engine chose it.
        failed: why there is nothing else here, or None.
        times: quiet.
        loaded: the same with another process busy on one core; None if not asked for.
        speedup: how many times faster than the plain computation, network and crop, round by round; None without one.
        end_to_end: frames per second of reading the clip, decoding and tracking together.
        pixels: largest difference of a box side from the plain computation's on the same crops, pixels of the frame.
        reached: beside the machine's peaks.
        startup: from nothing to the first box, and memory.
        batches: several targets at once.
    """

    model: str
    weights: str
    engine: str
    precision: str
    failed: str | None = None
    times: Times | None = None
    loaded: Times | None = None
    speedup: Spread | None = None
    end_to_end: Spread | None = None
    pixels: float | None = None
    reached: Reached | None = None
    startup: Startup | None = None
    batches: tuple[Batch, ...] = ()


@dataclass(frozen=True)
class Report(BaseConfig):
    """A whole run.

    Attributes:
        format: of this file.
        date: day of the run, YYYY-MM-DD.
        note: what a reader must know, such as other load on the machine.
        machine: that it ran on.
        settings: of the run.
        peaks: of the machine, the best of all rounds.
        decode: milliseconds per frame of reading the clip alone, as fast as it goes.
        results: the candidates in order.
    """

    format: int
    date: str
    note: str
    machine: Machine
    settings: Settings
    peaks: Peaks
    decode: Spread
    results: tuple[Result, ...]

    def __post_init__(self) -> None:
        self._require(self.format == FORMAT, f"format {self.format} is unknown; this version reads {FORMAT}")
