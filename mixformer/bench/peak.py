"""The peak of a machine (its fastest matrix product over all libraries and precisions), and a network's share."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mixformer.bench.machine import usable_cores
from mixformer.bench.stats import spread
from mixformer.configs.base_config import BaseConfig
from mixformer.optional import installed

Products = dict[str, Callable[[], object]]
"""Functions that multiply two matrices, by library and precision."""

_TRIES = 3
_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}


@dataclass(frozen=True)
class Efficiency(BaseConfig):
    """Operations of a call (by formula, 2 per multiply-add), operations per second, and their share of the peak.

    The peak is the fastest matrix product of all rounds, over all libraries and precisions. The fastest round of the
    network is compared with it: a peak that another program has slowed down would make the share too large.
    """

    flops: int
    flops_per_second: float
    of_peak: float

    @classmethod
    def of(cls, flops: int, seconds: Sequence[float], peaks: Sequence[dict[str, float]]) -> Efficiency:
        """Compare the best of some rounds with the best of all peaks."""
        share = flops / min(seconds) / max(highest(peaks).values())
        return cls(flops, flops / spread(seconds).median, share)


class PeakProbe:
    """Measures the peak repeatedly, with OpenVINO on the CPU, PyTorch on any device, or else NumPy."""

    def __init__(self, device: str = "cpu", threads: int | None = None, *, side: int = 2048) -> None:
        """Prepare matrices of `side` rows and columns (2048 fills 16 cores and takes less than a second)."""
        self._threads, self._flops = threads or usable_cores(), 2 * side**3
        matrices = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
        self._products: Products = {}
        if device == "cpu" and installed("openvino"):
            self._products |= _openvino_products(matrices, self._threads)
        if installed("torch"):
            self._products |= _torch_products(matrices, device)
        if not self._products:
            self._products["numpy float32"] = lambda: matrices[0] @ matrices[1]

    def measure(self) -> dict[str, float]:
        """Operations per second now, the best of a few tries, by library and precision ("openvino bfloat16")."""
        with torch_threads(self._threads):
            return {
                name: self._flops / min(timeit.repeat(work, number=1, repeat=_TRIES))
                for name, work in self._products.items()
            }


def highest(peaks: Sequence[dict[str, float]]) -> dict[str, float]:
    """The best of each product."""
    return {name: max(peak[name] for peak in peaks) for name in peaks[0]}


def torch_threads(count: int) -> AbstractContextManager[None]:
    """Let PyTorch use this many threads for a while; without PyTorch, do nothing."""
    if not installed("torch"):
        return nullcontext()
    from mixformer.engines.torch_engine import using_threads

    return using_threads(count)


def _torch_products(matrices: np.ndarray[Any, Any], device: str) -> Products:
    import torch

    place = torch.device(device)
    types = ("float32", "bfloat16") if place.type == "cpu" else ("float32", "bfloat16", "float16")

    def product(a: torch.Tensor, b: torch.Tensor) -> None:
        a @ b
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    pairs = {name: [torch.from_numpy(each).to(place, getattr(torch, name)) for each in matrices] for name in types}
    return {f"torch {name}": partial(product, *pair) for name, pair in pairs.items()}


def _openvino_products(matrices: np.ndarray[Any, Any], threads: int) -> Products:
    """Products by OpenVINO; for int8, both matrices are quantized as in an exported int8 model."""
    import openvino as ov
    from openvino import opset13 as ops

    from mixformer.engines.engine_table import openvino_precisions
    from mixformer.engines.openvino_compiler import core

    made: Products = {}
    for precision in (*openvino_precisions(), "int8"):
        given = ops.parameter(list(matrices[0].shape), np.float32)
        left, right = given, ops.constant(matrices[1])
        if precision == "int8":
            limits = [ops.constant(np.float32(value)) for value in (-4, 4, -4, 4)]
            left, right = ops.fake_quantize(left, *limits, 256), ops.fake_quantize(right, *limits, 255)
        model = ov.Model([ops.matmul(left, right, transpose_a=False, transpose_b=False)], [given])
        settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "INFERENCE_NUM_THREADS": threads}
        request = core().compile_model(model, "CPU", settings).create_infer_request()
        request.infer([matrices[0]])
        made[f"openvino {precision}"] = request.infer
    return made
