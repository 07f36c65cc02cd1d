"""Which engine runs a model on this machine. PyTorch is imported only where there may be a GPU or it was asked for."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixformer.configs.runtime import Runtime
from mixformer.errors import ConfigError
from mixformer.optional import installed, missing
from mixformer.weights.model_folder import ModelFolder, find_folder

if TYPE_CHECKING:
    from mixformer.models import MixFormer

ENGINES = ("auto", "torch", "cudagraph", "compile", "openvino", "onnx")
_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}
_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True)
class EngineChoice:
    """An engine for a model, decided but not made.

    Attributes:
        engine: "torch", "cudagraph", "compile", "openvino" or "onnx".
        device: "cpu", "cuda", "cuda:N" or "mps".
        precision: what it will calculate in: "float32", "bfloat16", "float16" or "int8".
        folder: the exported model that the engine reads; None for PyTorch's engines.
    """

    engine: str
    device: str
    precision: str
    folder: ModelFolder | None = None


def select_engine(model: str | Path | MixFormer, runtime: Runtime = Runtime()) -> EngineChoice:
    """Decide which engine `create_engine` makes, without making it; same arguments and errors."""
    device, engine, precision = runtime.device, runtime.engine, runtime.precision
    if engine not in ENGINES:
        raise ConfigError(f"unknown engine {engine!r}; there are: {', '.join(ENGINES)}")
    folder = find_folder(model) if isinstance(model, str | Path) else None
    if engine == "auto":
        engine = _best(model, folder, device, precision)
    if engine in ("torch", "cudagraph", "compile"):
        return _pytorch(engine, device, precision)
    return _exported(engine, folder or model, device, precision)


def _best(model: str | Path | MixFormer, folder: ModelFolder | None, device: str, precision: str) -> str:
    """The engine that "auto" stands for: GPU, then OpenVINO, then PyTorch, then ONNX Runtime."""
    torch = installed("torch")
    if torch and device != "cpu" and _torch_device(device) != "cpu":
        return "cudagraph" if _torch_device(device).startswith("cuda") else "torch"
    exported = folder is not None and folder.graphs is not None and folder.graphs.batch in (None, 1)
    on_cpu = exported and device in ("auto", "cpu")
    if on_cpu and installed("openvino") and precision in ("auto", "int8", *openvino_precisions()):
        return "openvino"
    if torch:
        return "torch"
    if exported and folder.graphs.format == "onnx" and installed("onnxruntime"):  # type: ignore[union-attr]
        return "onnx"
    raise missing("openvino", "tracking on a CPU") if on_cpu else missing("torch", "this model on this device")


def _pytorch(engine: str, device: str, precision: str) -> EngineChoice:
    if not installed("torch"):
        raise missing("torch", f"the engine {engine}")
    if precision == "int8":
        raise ConfigError("int8 is a precision of the engine openvino, for models with int8 weights and graphs")
    place = _torch_device(device)
    if engine == "cudagraph" and not place.startswith("cuda"):
        raise ConfigError("the engine cudagraph runs on an NVIDIA GPU, and PyTorch finds none; use --engine auto")
    if precision == "auto":
        precision = "bfloat16" if place.startswith("cuda") else "float32"
    return EngineChoice(engine, place, precision)


def _exported(engine: str, model: ModelFolder | str | Path | MixFormer, device: str, precision: str) -> EngineChoice:
    """OpenVINO or ONNX Runtime for a folder; anything else has no graphs."""
    if not isinstance(model, ModelFolder) or model.graphs is None:
        name = model.path if isinstance(model, ModelFolder) else model if isinstance(model, str | Path) else "MODEL"
        raise ConfigError(
            f"the engine {engine} runs exported graphs, which this model lacks: "
            f"mixformer export {name} --to onnx --out FOLDER, then give FOLDER as the model"
        )
    if not installed(_PACKAGES[engine]):
        raise missing(_PACKAGES[engine], f"the engine {engine}")
    if engine == "openvino":
        return EngineChoice(engine, _openvino_device(device), _openvino_precision(precision, model), model)
    if model.graphs.format != "onnx":
        raise ConfigError(
            f"{model.path} holds graphs in OpenVINO's own form, which ONNX Runtime cannot read; take --engine "
            "openvino, or export the model with --to onnx"
        )
    if precision not in ("auto", "float32"):
        raise ConfigError(f"the engine onnx calculates in float32, not in {precision}; use --engine openvino or torch")
    return EngineChoice(engine, _onnx_device(device), "float32", model)


def _torch_device(name: str) -> str:
    """PyTorch's name of a device that is there; asks PyTorch only if it may have a GPU."""
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    from mixformer.engines.torch_engine import find_device

    return str(find_device(name))


def may_have_gpu() -> bool:
    """Whether this machine has a driver that PyTorch may use a GPU through, found without importing PyTorch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").is_file()
    return any(Path(file).exists() for file in _DRIVERS)


def gpu_count() -> int:
    """Number of GPUs that PyTorch can use through CUDA; 0 without PyTorch."""
    if not (installed("torch") and may_have_gpu()):
        return 0
    import torch

    return torch.cuda.device_count()


def openvino_precisions() -> tuple[str, ...]:
    """Precisions that OpenVINO says this processor has: float32, and maybe bfloat16 and float16."""
    from mixformer.engines.openvino_compiler import capabilities

    names = {"BF16": "bfloat16", "FP16": "float16"}
    return ("float32", *(name for key, name in names.items() if key in capabilities()))


def _openvino_precision(wanted: str, folder: ModelFolder) -> str:
    if folder.graphs is not None and folder.graphs.arithmetic == "int8":
        if wanted in ("auto", "int8"):
            return "int8"
        raise ConfigError(f"the graphs in {folder.path} calculate in int8, not in {wanted}; export others for that")
    there = openvino_precisions()
    if wanted == "auto":
        return "bfloat16" if "bfloat16" in there else "float32"
    if wanted == "int8":
        if folder.precision != "int8":
            raise ConfigError(
                f"int8 needs weights stored in 8 bits, and those of {folder.path} are in {folder.precision}: "
                "mixformer export with --precision int8"
            )
        return wanted
    if wanted not in there:
        raise ConfigError(f"OpenVINO has no {wanted} on this processor; there are: {', '.join(there)}")
    return wanted


def _openvino_device(device: str) -> str:
    if device not in ("auto", "cpu"):
        raise ConfigError(f"the engine openvino runs on the cpu, not on {device!r}; use cudagraph, torch or onnx")
    return "cpu"


def _onnx_device(device: str) -> str:
    from mixformer.engines.onnx_engine import has_cuda

    if device == "mps":
        raise ConfigError("the engine onnx runs on cpu and cuda, not on 'mps'; use --engine torch")
    if device.startswith("cuda") and not has_cuda():
        raise ConfigError(
            "this ONNX Runtime has no CUDA provider; install onnxruntime-gpu in its place, or use --device cpu"
        )
    return ("cuda" if has_cuda() and may_have_gpu() else "cpu") if device == "auto" else device
