"""The network in eager PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from mixformer.errors import ConfigError
from mixformer.models import Memory, MixFormer
from mixformer.types import Image, Location

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchEngine:
    """Runs a `MixFormer` on one device.

    Half precision goes through autocast, so that norms, softmax and the expectation over bins stay in float32.
    """

    def __init__(
        self, model: MixFormer, device: str = "cpu", precision: str = "auto", threads: int | None = None
    ) -> None:
        """Move the model to the device.

        Args:
            model: the network; it is moved and put in evaluation mode.
            device: "cpu", "cuda", "cuda:N" or "mps".
            precision: of matrix products; "auto" = float32 on the CPU and bfloat16 on a GPU.
            threads: of PyTorch on the CPU while this engine works; None leaves them as they are. Other numbers of
                threads give other last digits.

        Raises:
            ConfigError: if the device or the precision does not exist.
        """
        self.device = find_device(device)
        if precision not in ("auto", "float32", *_HALF):
            raise ConfigError(f"unknown precision {precision!r}; there are: auto, float32, bfloat16, float16")
        if precision == "auto":
            precision = "bfloat16" if self.device.type == "cuda" else "float32"
        self.precision, self.threads = precision, threads
        self.model = model.to(self.device).eval()
        self.config = model.config

    @torch.inference_mode()
    def remember(self, templates: Image) -> Memory:
        """See `Engine.remember`."""
        with _using(self.threads), self._autocast():
            return self.model.remember(self._upload(templates))

    @torch.inference_mode()
    def locate(self, search: Image, memory: Memory) -> Location:
        """See `Engine.locate`."""
        with _using(self.threads), self._autocast():
            found = self.model.locate(self._upload(search), memory)
        scores = None if found.scores is None else _download(found.scores)
        return Location(_download(found.boxes), scores)

    def _upload(self, images: Image) -> Tensor:
        return self.model.normalise(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, _HALF[self.precision])


@contextmanager
def _using(threads: int | None) -> Iterator[None]:
    """PyTorch on this many threads for a while."""
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
    """The torch device a name stands for; "auto" is the first of CUDA, MPS and CPU that is there.

    Raises:
        ConfigError: if there is no such device on this machine.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:N or mps") from error
    there = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not there.get(device.type, False):
        raise ConfigError(f"there is no device {name!r} on this machine (PyTorch {torch.__version__}); use auto or cpu")
    return device
