"""Measure the peak of a machine, its fastest matrix product in all libraries and precisions, and a network's share."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from mixformer.configs.base_config import BaseConfig
from mixformer.engines.devices import torch_threads, usable_cores
from mixformer.optional import installed

_TRIES = 3  # runs of each product in a measurement


@dataclass(frozen=True)
class Efficiency(BaseConfig):
    """The speed of a network and its share of the machine's peak.

    The share compares the fastest round of the network with the fastest product of all rounds, since a peak that
    another program has slowed down would make the share too large.
    """

    flops: int  # operations of a call by formula, 2 per multiply-add
    flops_per_second: float  # median
    of_peak: float  # share of the peak, 0..1


class PeakProbe:
    """Measure the peak repeatedly, with OpenVINO on the CPU and PyTorch on any device.

    `best` holds the most operations per second so far of each product, by library and precision ("openvino bfloat16").
    """

    def __init__(self, device: str = "cpu", threads: int | None = None, *, side: int = 2048) -> None:
        """Prepare products of square matrices: with a `side` of 2048, they fill 16 cores for less than a second."""
        self._threads, self._flops = threads or usable_cores(), 2 * side**3
        matrices = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
        self._products: dict[str, Callable[[], object]] = {}
        self.best: dict[str, float] = {}
        if device == "cpu":
            self._products |= _openvino_products(matrices, self._threads)
        if installed("torch"):
            self._products |= _torch_products(matrices, device)

    def measure(self) -> dict[str, float]:
        """Run every product a few times, and return a copy of `best`."""
        with torch_threads(self._threads):
            for name, work in self._products.items():
                found = self._flops / min(timeit.repeat(work, number=1, repeat=_TRIES))
                self.best[name] = max(found, self.best.get(name, 0.0))
        return dict(self.best)

    def compare(self, flops: int, seconds: Sequence[float]) -> Efficiency:
        """Compare rounds of a call of `flops` operations, given their seconds, with the best product so far."""
        return Efficiency(flops, flops / median(seconds), flops / min(seconds) / max(self.best.values()))


def _torch_products(matrices: np.ndarray[Any, Any], device: str) -> dict[str, Callable[[], object]]:
    import torch

    place = torch.device(device)
    types = ("float32", "bfloat16") if place.type == "cpu" else ("float32", "bfloat16", "float16")

    def product(a: torch.Tensor, b: torch.Tensor) -> None:
        a @ b
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    pairs = {name: [torch.from_numpy(each).to(place, getattr(torch, name)) for each in matrices] for name in types}
    return {f"torch {name}": partial(product, *pair) for name, pair in pairs.items()}


def _openvino_products(matrices: np.ndarray[Any, Any], threads: int) -> dict[str, Callable[[], object]]:
    """Make matrix products of OpenVINO. For int8, both matrices are quantized as in an exported int8 model."""
    import openvino as ov
    from openvino import opset13 as ops

    from mixformer.engines.engine_table import openvino_precisions
    from mixformer.engines.openvino_compiler import HINTS, core

    made: dict[str, Callable[[], object]] = {}
    for precision in (*openvino_precisions(), "int8"):
        given = ops.parameter(list(matrices[0].shape), np.float32)
        left, right = given, ops.constant(matrices[1])
        if precision == "int8":
            limits = [ops.constant(np.float32(value)) for value in (-4, 4, -4, 4)]
            left, right = ops.fake_quantize(left, *limits, 256), ops.fake_quantize(right, *limits, 255)
        model = ov.Model([ops.matmul(left, right, transpose_a=False, transpose_b=False)], [given])
        settings = {"INFERENCE_PRECISION_HINT": HINTS.get(precision, "f32"), "INFERENCE_NUM_THREADS": threads}
        request = core().compile_model(model, "CPU", settings).create_infer_request()
        request.infer([matrices[0]])
        made[f"openvino {precision}"] = request.infer
    return made
