"""Several targets located at once: target-frames per second."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from mixformer.bench.peaks import Peaks
from mixformer.bench.record import Batch, Reached
from mixformer.bench.stats import interleave, spread
from mixformer.bench.work import frame_bytes, frame_flops
from mixformer.engines import Engine


def reached(flops: int, size: int, seconds: float, peaks: Peaks, precision: str) -> Reached:
    """Operations and bytes over a time, beside the peaks."""
    products = peaks.products(precision)
    share = None if products is None else flops / seconds / products
    return Reached(flops, size, flops / seconds, size / seconds, share, size / seconds / peaks.bandwidth)


def measure_batches(
    engines: dict[str, tuple[Engine, str]], sizes: Sequence[int], rounds: int, peaks: Peaks
) -> dict[str, tuple[Batch, ...]]:
    """Time `locate` on several targets at once, engine after engine in every round.

    Args:
        engines: engine and precision by name; all of one model.
        sizes: numbers of targets.
        rounds: measured calls of every engine and size, after one that is not counted.
        peaks: of the machine.
    """
    found: dict[str, list[Batch]] = {name: [] for name in engines}
    for size in sizes:
        work = {name: _Call(engine, size) for name, (engine, _) in engines.items()}
        for call in work.values():
            call()
        for name, seconds in interleave(work, rounds).items():
            engine, precision = engines[name]
            time_of_one, config = spread(seconds), engine.config
            cost = size * frame_flops(config), frame_bytes(config, precision, size)
            found[name].append(
                Batch(
                    size,
                    spread([1e3 * value for value in seconds]),
                    size / time_of_one.median,
                    reached(*cost, time_of_one.median, peaks, precision),
                )
            )
    return {name: tuple(batches) for name, batches in found.items()}


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
