"""Ways to run a network. `create_engine` is the one way to get one; nothing here imports torch before that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixformer.engines.base import Engine

if TYPE_CHECKING:
    from mixformer.models import MixFormer

__all__ = ["Engine", "as_engine", "create_engine"]


def create_engine(
    model: str | Path | MixFormer, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> Engine:
    """An engine for a model.

    Args:
        model: name, folder or checkpoint file (see `mixformer.weights.store.load_model`), or a loaded network.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "float32", "bfloat16" or "float16".
        threads: on the CPU while the engine works; None takes PyTorch's own number.

    Raises:
        CheckpointError: if the model is not there or does not fit.
        ConfigError: if the device or the precision does not exist.
    """
    from mixformer.engines.torch_engine import TorchEngine, find_device
    from mixformer.weights.store import load_model

    place = str(find_device(device))  # before the weights, so that a wrong name fails at once
    return TorchEngine(load_model(model) if isinstance(model, str | Path) else model, place, precision, threads)


def as_engine(model: str | Path | MixFormer | Engine, device: str = "auto", precision: str = "auto") -> Engine:
    """`create_engine`, but an engine is given back as it is; same errors."""
    torch = sys.modules.get("torch")  # whoever holds a network has imported it
    if isinstance(model, str | Path) or (torch is not None and isinstance(model, torch.nn.Module)):
        return create_engine(model, device, precision)
    return model  # type: ignore[return-value]
