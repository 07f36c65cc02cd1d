"""Several targets located at once: target-frames per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from mixformer.bench.peaks import Peaks
from mixformer.bench.record import Batch, Reached
from mixformer.bench.stats import interleave, spread
from mixformer.bench.work import frame_bytes, frame_flops
from mixformer.engines import Engine


def reached(flops: int, size: int, seconds: Sequence[float], peaks: Sequence[Peaks], precision: str) -> Reached:
    """Operations and bytes over a time, beside the peaks.

    Args:
        flops: operations of the work.
        size: bytes that it must read.
        seconds: that it took, in every round.
        peaks: of the machine in the same rounds; shares are taken within a round.
        precision: of matrix products.
    """
    time_of_one, products = spread(seconds).median, [each.products(precision) for each in peaks]
    rounds = list(zip(seconds, products, strict=True))
    shares = [flops / took / peak for took, peak in rounds if peak is not None]
    bandwidth = [size / took / each.bandwidth for took, each in zip(seconds, peaks, strict=True)]
    of_products = spread(shares).median if shares else None
    return Reached(flops, size, flops / time_of_one, size / time_of_one, of_products, spread(bandwidth).median)


def measure_batches(
    engines: dict[str, tuple[Engine, str]], sizes: Sequence[int], rounds: int, take_peaks: Callable[[], Peaks]
) -> dict[str, tuple[Batch, ...]]:
    """Time `locate` on several targets at once, engine after engine in every round.

    Args:
        engines: engine and precision by name; all of one model.
        sizes: numbers of targets.
        rounds: measured calls of every engine and size, after one that is not counted.
        take_peaks: measures the machine, once in every round.
    """
    found: dict[str, list[Batch]] = {name: [] for name in engines}
    for size in sizes:
        work = {name: _Call(engine, size) for name, (engine, _) in engines.items()}
        for call in work.values():
            call()
        peaks: list[Peaks] = []
        for name, seconds in interleave(work, rounds, partial(_append, peaks, take_peaks)).items():
            engine, precision = engines[name]
            config = engine.config
            cost = size * frame_flops(config), frame_bytes(config, precision, size)
            milliseconds = spread([1e3 * value for value in seconds])
            there = reached(*cost, seconds, peaks, precision)
            found[name].append(Batch(size, milliseconds, 1e3 * size / milliseconds.median, there))
    return {name: tuple(batches) for name, batches in found.items()}


def _append(peaks: list[Peaks], take: Callable[[], Peaks]) -> None:
    peaks.append(take())


class _Call:
    """One `locate` of a batch of noise; calling it gives its seconds."""

    def __init__(self, engine: Engine, size: int) -> None:
        random, config = np.random.default_rng(0), engine.config
        shape = (1, 2, config.template_size, config.template_size, 3)
        one = engine.remember(random.integers(0, 256, shape, dtype=np.uint8))
        self._engine, self._memory = engine, engine.join([one] * size)
        self._search = random.integers(0, 256, (size, config.search_size, config.search_size, 3), dtype=np.uint8)

    def __call__(self) -> float:
        begin = time.perf_counter()
        self._engine.locate(self._search, self._memory)
        return time.perf_counter() - begin
