"""What the machine can do at best, measured beside what a network reaches: matrix products and reading memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mixformer.bench.surroundings import torch_threads
from mixformer.configs.base_config import BaseConfig
from mixformer.optional import installed

if TYPE_CHECKING:
    import torch

SIDE = 2048  # of the matrices: large enough to fill 2 to 16 cores, small enough for a second
_MEGABYTES = 256  # read at once: more than most caches hold
_TIMES = 3


@dataclass(frozen=True)
class Peaks(BaseConfig):
    """The best of several tries, each with all threads.

    Attributes:
        float32: operations per second of a large matrix product, 2 per multiply-add.
        bfloat16: the same in bfloat16; None where it was not measured (no PyTorch).
        bandwidth: bytes per second of reading a large array.
    """

    float32: float
    bfloat16: float | None
    bandwidth: float

    def products(self, precision: str) -> float | None:
        """The peak that a precision is held against; half precisions share one, others have None."""
        return {"float32": self.float32, "bfloat16": self.bfloat16, "float16": self.bfloat16}.get(precision)


def best_of(peaks: Sequence[Peaks]) -> Peaks:
    """The largest of each figure."""
    half = [each.bfloat16 for each in peaks if each.bfloat16 is not None]
    return Peaks(max(p.float32 for p in peaks), max(half, default=None), max(p.bandwidth for p in peaks))


def measure_peaks(
    device: str = "cpu", threads: int | None = None, side: int = SIDE, megabytes: int = _MEGABYTES
) -> Peaks:
    """Measure them now; takes about a second.

    Args:
        device: "cpu", or a GPU of PyTorch.
        threads: on the CPU; None takes all.
        side: of the matrices.
        megabytes: size of the array that is read.
    """
    threads = threads or os.cpu_count() or 1
    if not installed("torch"):
        return Peaks(_numpy_products(side), None, read_bandwidth(threads, megabytes))
    import torch

    place = torch.device(device)
    with torch_threads(threads):
        float32, bfloat16 = (peak_flops(place, dtype, side) for dtype in (torch.float32, torch.bfloat16))
    if place.type == "cpu":
        return Peaks(float32, bfloat16, read_bandwidth(threads, megabytes))
    values = torch.ones(megabytes * 2**18, device=place)
    return Peaks(float32, bfloat16, megabytes * 2**20 / _best(lambda: float(values.sum())))


def peak_flops(device: torch.device, dtype: torch.dtype, side: int = SIDE) -> float:
    """Operations per second of a large matrix product in PyTorch, the best of several."""
    import torch

    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def product() -> None:
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return float(2 * side**3 / _best(product))


def read_bandwidth(threads: int, megabytes: int = _MEGABYTES) -> float:
    """Bytes per second that the threads together read from memory.

    The sum is one of squares: that is the product of BLAS, which is as fast as memory; a plain sum of NumPy is not.
    """
    values = np.ones(megabytes * 2**18, np.float32)
    parts = np.array_split(values, threads)
    with ThreadPoolExecutor(threads) as pool:
        return values.nbytes / _best(lambda: sum(pool.map(lambda part: float(np.dot(part, part)), parts)))


def _numpy_products(side: int) -> float:
    a, b = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
    return float(2 * side**3 / _best(lambda: a @ b))


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several tries."""
    times = []
    for _ in range(_TIMES):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)
