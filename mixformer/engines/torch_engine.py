"""The engine for eager PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from mixformer.engines.describing import middle_block
from mixformer.engines.own_process import Home
from mixformer.errors import ConfigError, shown
from mixformer.models import Memory, MixFormer, join_memories
from mixformer.models.optimize import fold_constants, to_half_precision
from mixformer.optional import keep_in_cache
from mixformer.types import EngineOutput, FloatArray, Image

HALF: dict[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchEngine:
    """Run a `MixFormer` on one device, with its constants folded.

    In half precision the first convolution, norms, softmax, the residual stream, boxes and scores stay in float32 (see
    `to_half_precision`). A deep copy is the engine itself, since no result depends on its buffers.
    """

    def __init__(
        self, model: MixFormer, device: str = "cpu", precision: str = "auto", threads: int | None = None
    ) -> None:
        """Make a copy of the model for inference on "cpu", "cuda", "cuda:N" or "mps".

        "auto" precision is float32 on the CPU and bfloat16 on a GPU. `threads` are PyTorch's CPU threads while this
        engine runs; they affect the last digits of results. Raises ConfigError for an unknown precision or device.
        """
        self._home = Home("PyTorch")
        self.device = find_device(device)
        if precision not in ("auto", "float32", *HALF):
            raise ConfigError(f"unknown precision {precision!r}; use auto, float32, bfloat16 or float16")
        if precision == "auto":
            precision = "bfloat16" if self.device.type == "cuda" else "float32"
        self.precision, self.threads = precision, threads
        folded = fold_constants(model)
        self.model = (folded if precision == "float32" else to_half_precision(folded, HALF[precision])).to(self.device)
        self.config = model.config

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    @torch.inference_mode()
    def remember(self, templates: Image) -> Memory:
        """See `Engine.remember`."""
        self._home.check()
        with using_threads(self.threads):
            return self.model.remember(self._upload(templates))

    @torch.inference_mode()
    def locate(self, search: Image, memory: Memory) -> EngineOutput:
        """See `Engine.locate`."""
        self._home.check()
        with using_threads(self.threads):
            found = self.model.locate(self._upload(search), memory)
        scores = None if found.scores is None else _download(found.scores)
        return EngineOutput(_download(found.boxes), scores)

    @torch.inference_mode()
    def describe(self, template: Image) -> FloatArray:
        """See `DescribingEngine.describe`."""
        self._home.check()
        place = middle_block(self.config)
        with using_threads(self.threads):
            values = self.model.remember(self._upload(template[None, None])).blocks[place].values[0]
        return _download(values.transpose(0, 1).flatten(1))

    @torch.inference_mode()
    def join(self, memories: Sequence[Memory]) -> Memory:
        """See `Engine.join`."""
        return join_memories(memories)

    def _upload(self, images: Image) -> Tensor:
        return self.model.normalize(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Let PyTorch use this many threads inside a `with` block."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _download(values: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return values.double().cpu().numpy() if values.device.type != "mps" else values.float().cpu().double().numpy()


def find_device(name: str) -> torch.device:
    """Return the torch device of a name; "auto" is the first of CUDA, MPS and CPU. ConfigError if there is none."""
    keep_in_cache("cuda")  # before the driver is loaded
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if isinstance(name, str) and name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"unknown device {shown(name)}; use auto, cpu, cuda, cuda:N or mps") from error
    there = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not there.get(device.type, False):
        raise ConfigError(f"there is no device {name!r} on this machine (PyTorch {torch.__version__}); use auto or cpu")
    return device
