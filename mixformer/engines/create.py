"""Make an engine for a model; nothing here imports torch before that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixformer.engines.engine import Engine
from mixformer.engines.selection import EngineChoice
from mixformer.engines.selection import choose as _choose
from mixformer.errors import ConfigError
from mixformer.optional import explain_missing

if TYPE_CHECKING:
    from mixformer.models import MixFormer
    from mixformer.weights.model_folder import ModelFolder


def create_engine(
    model: str | Path | MixFormer,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    engine: str = "auto",
) -> Engine:
    """An engine for a model.

    Args:
        model: name, folder or checkpoint file (see `mixformer.weights.load_save.load_model`), or a loaded network.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "float32", "bfloat16", "float16", or "int8" (OpenVINO, for weights stored in 8 bits); what
            "auto" means depends on the engine and the machine (docs/engines.md).
        threads: on the CPU; None takes the engine's own number.
        engine: "auto" = the fastest that can run this model here, or "torch", "graph" (PyTorch with a CUDA graph),
            "compile" (PyTorch, compiled), "openvino" or "onnx" (ONNX Runtime).

    Raises:
        CheckpointError: if the model is not there or does not fit.
        ConfigError: if the engine, the device, the precision or the number of threads does not exist, or they do not
            go together.
        MissingDependencyError: if a package is missing; the message has its install command.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is 1 or more, or None for the engine's own number, not {threads}")
    choice = _choose(model, device, precision, engine)
    with explain_missing(f"the engine {choice.engine}"):
        if choice.folder is not None:
            return _exported(choice, choice.folder, threads)
        return _pytorch(model, choice, threads)


def as_engine(
    model: str | Path | MixFormer | Engine,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    engine: str = "auto",
) -> Engine:
    """`create_engine`, but an engine is given back as it is; same errors."""
    torch = sys.modules.get("torch")  # whoever holds a network has imported it
    if isinstance(model, str | Path) or (torch is not None and isinstance(model, torch.nn.Module)):
        return create_engine(model, device, precision, threads, engine)
    return model  # type: ignore[return-value]


def _exported(choice: EngineChoice, folder: ModelFolder, threads: int | None) -> Engine:
    if choice.engine == "openvino":
        from mixformer.engines.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(folder, choice.precision, threads)
    from mixformer.engines.onnx_engine import OnnxEngine

    return OnnxEngine(folder, choice.device, threads)


def _pytorch(model: str | Path | MixFormer, choice: EngineChoice, threads: int | None) -> Engine:
    from mixformer.engines.cudagraph_engine import CompiledEngine, CudaGraphEngine
    from mixformer.engines.torch_engine import TorchEngine
    from mixformer.weights.load_save import load_model

    network = load_model(model) if isinstance(model, str | Path) else model
    if choice.engine == "graph":
        return CudaGraphEngine(network, choice.device, choice.precision)
    if choice.engine == "compile":
        return CompiledEngine(network, choice.device, choice.precision, threads)
    return TorchEngine(network, choice.device, choice.precision, threads)
