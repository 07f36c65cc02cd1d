"""Ways to run a network. `create_engine` is the one way to get one; nothing here imports torch before that."""

from __future__ import annotations

from pathlib import Path

from mixformer.engines.base import Engine

__all__ = ["Engine", "create_engine"]


def create_engine(model: str | Path, device: str = "auto", precision: str = "auto") -> Engine:
    """An engine for a model by name, folder or checkpoint file.

    Args:
        model: see `mixformer.weights.store.load_model`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "float32", "bfloat16" or "float16".

    Raises:
        CheckpointError: if the model is not there or does not fit.
        ConfigError: if the device or the precision does not exist.
    """
    from mixformer.engines.torch_engine import TorchEngine, find_device
    from mixformer.weights.store import load_model

    place = find_device(device)  # before the weights, so that a wrong name fails at once
    return TorchEngine(load_model(model), str(place), precision)
