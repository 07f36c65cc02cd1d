"""The table of engines. A new engine is one more entry. A runtime is imported only when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixformer.configs.runtime import Runtime
from mixformer.engines.devices import hides_amx, may_have_gpu, torch_device
from mixformer.engines.engine_spec import Engine, EngineChoice, EngineSpec
from mixformer.engines.own_process import require_own_process
from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.weights.model_folder import ModelFolder

_HALF = ("bfloat16", "float16")


def _network(model: Any) -> Any:
    """Return a network; load it if a name or path is given. Loading in a fork can hang, so it is refused."""
    require_own_process("PyTorch")
    from mixformer.weights.load_save import load_model

    return load_model(model) if isinstance(model, str | Path) else model


def _make_torch(model: Any, choice: EngineChoice, threads: int | None) -> Engine:
    from mixformer.engines.torch_engine import TorchEngine

    return TorchEngine(_network(model), choice.device, choice.precision, threads)


def _make_cudagraph(model: Any, choice: EngineChoice, threads: int | None) -> Engine:
    from mixformer.engines.cudagraph_engine import CudaGraphEngine

    return CudaGraphEngine(_network(model), choice.device, choice.precision)


def _make_compiled(model: Any, choice: EngineChoice, threads: int | None) -> Engine:
    from mixformer.engines.cudagraph_engine import CompiledEngine

    return CompiledEngine(_network(model), choice.device, choice.precision, threads)


def _make_openvino(model: Any, choice: EngineChoice, threads: int | None) -> Engine:
    from mixformer.engines.openvino_engine import OpenVINOEngine

    assert choice.folder is not None
    return OpenVINOEngine(choice.folder, choice.precision, threads)


def _make_onnx(model: Any, choice: EngineChoice, threads: int | None) -> Engine:
    from mixformer.engines.onnx_engine import OnnxEngine

    assert choice.folder is not None
    return OnnxEngine(choice.folder, choice.device, threads)


def _settle_torch(folder: ModelFolder | None, runtime: Runtime) -> tuple[str, str]:
    device = torch_device(runtime.device)
    usual = "bfloat16" if device.startswith("cuda") else "float32"
    return device, usual if runtime.precision == "auto" else runtime.precision


def _settle_cudagraph(folder: ModelFolder | None, runtime: Runtime) -> tuple[str, str]:
    device, precision = _settle_torch(folder, runtime)
    if not device.startswith("cuda"):
        raise ConfigError("the engine cudagraph needs an NVIDIA GPU, but PyTorch finds none; use the engine auto")
    return device, precision


def _settle_openvino(folder: ModelFolder | None, runtime: Runtime) -> tuple[str, str]:
    assert folder is not None
    assert folder.graphs is not None
    wanted = runtime.precision
    if folder.graphs.arithmetic == "int8":
        if wanted in ("auto", "int8"):
            return "cpu", "int8"
        raise ConfigError(
            f"the graphs in {folder.path} calculate in int8, not in {wanted}; use auto, or export the model again"
        )
    there = openvino_precisions()
    if wanted == "auto":
        return "cpu", "bfloat16" if "bfloat16" in there and not hides_amx() else "float32"
    if wanted == "int8" and folder.precision != "int8":
        raise ConfigError(
            f"int8 needs weights stored in 8 bits, but those of {folder.path} are in {folder.precision}; export the "
            "model with mixformer export --precision int8"
        )
    if wanted not in ("int8", *there):
        raise ConfigError(f"OpenVINO has no {wanted} on this processor; choose from {', '.join(there)}")
    return "cpu", wanted


def _settle_onnx(folder: ModelFolder | None, runtime: Runtime) -> tuple[str, str]:
    from mixformer.engines.onnx_engine import has_cuda

    if runtime.device.startswith("cuda") and not has_cuda():
        raise ConfigError(
            "this ONNX Runtime has no CUDA provider; install onnxruntime-gpu in its place, or use --device cpu"
        )
    found = "cuda" if runtime.device == "auto" and has_cuda() and may_have_gpu() else "cpu"
    return found if runtime.device == "auto" else runtime.device, "float32"


def openvino_precisions() -> tuple[str, ...]:
    """List the number formats of OpenVINO on this processor: float32, and bfloat16 and float16 if supported."""
    from mixformer.engines.openvino_compiler import capabilities

    names = {"BF16": "bfloat16", "FP16": "float16"}
    return ("float32", *(name for key, name in names.items() if key in capabilities()))


def has_single_graphs(folder: ModelFolder | None) -> bool:
    """Tell whether a model has exported graphs that can run one target at a time."""
    return folder is not None and folder.graphs is not None and folder.graphs.batch in (None, 1)


def _on_cpu_with_graphs(folder: ModelFolder | None, runtime: Runtime) -> bool:
    if not has_single_graphs(folder) or runtime.device not in ("auto", "cpu"):
        return False
    if ENGINES["torch"].installed and torch_device(runtime.device) != "cpu":
        return False  # a GPU is faster
    return runtime.precision in ("auto", "int8", *openvino_precisions())


def _with_onnx_graphs(folder: ModelFolder | None, runtime: Runtime) -> bool:
    return has_single_graphs(folder) and folder.graphs.format == "onnx"  # type: ignore[union-attr]


ENGINES: dict[str, EngineSpec] = {}
"""The engines by name; "auto" selects the first whose `automatic` returns True."""


def register_engine(spec: EngineSpec) -> None:
    """Add an engine to the table, or replace the one with this name.

    Args:
        spec: the entry. `Runtime.engine` and `--engine` accept its name in this process.

    Example:
        >>> from mixformer.engines import ENGINES, EngineSpec, create_engine, register_engine, Runtime
        >>> def make(model, choice, threads):
        ...     return create_engine(model, runtime=Runtime(choice.device, "openvino", choice.precision, threads))
        >>> register_engine(EngineSpec("mine", "OpenVINO by another name", "openvino", ("cpu",), ("float32",), make))
        >>> create_engine("mixformerv2_dino_s8", runtime=Runtime(engine="mine")).config.name
        'mixformerv2_dino_s8'
        >>> del ENGINES["mine"]
    """
    ENGINES[spec.name] = spec


_PYTORCH: dict[str, Any] = {"package": "torch", "precisions": ("float32", *_HALF)}
for _spec in (
    EngineSpec(
        "cudagraph",
        "PyTorch with a CUDA graph",
        devices=("cuda",),
        make=_make_cudagraph,
        settle=_settle_cudagraph,
        automatic=lambda folder, runtime: torch_device(runtime.device).startswith("cuda"),
        **_PYTORCH,
    ),
    EngineSpec(
        "openvino",
        "exported graphs in OpenVINO",
        package="openvino",
        devices=("cpu",),
        precisions=("float32", *_HALF, "int8"),
        formats=("onnx", "openvino"),
        make=_make_openvino,
        settle=_settle_openvino,
        automatic=_on_cpu_with_graphs,
    ),
    EngineSpec(
        "torch",
        "PyTorch",
        devices=("cpu", "cuda", "mps"),
        make=_make_torch,
        settle=_settle_torch,
        automatic=lambda folder, runtime: True,
        **_PYTORCH,
    ),
    EngineSpec(
        "onnx",
        "exported graphs in ONNX Runtime",
        package="onnxruntime",
        devices=("cpu", "cuda"),
        precisions=("float32",),
        formats=("onnx",),
        make=_make_onnx,
        settle=_settle_onnx,
        automatic=_with_onnx_graphs,
    ),
    EngineSpec(
        "compile",
        "PyTorch, compiled",
        devices=("cpu", "cuda"),
        make=_make_compiled,
        settle=_settle_torch,
        **_PYTORCH,
    ),
):
    register_engine(_spec)
