"""The engine for exported graphs in ONNX Runtime, on the CPU or, with its CUDA build, on a GPU. It needs no PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from mixformer.engines.exported_engine import ExportedEngine, require_names
from mixformer.errors import CheckpointError
from mixformer.types import FloatArray, Image
from mixformer.weights.model_folder import ModelFolder

_GPU = ("TensorrtExecutionProvider", "CUDAExecutionProvider")


class OnnxEngine(ExportedEngine):
    """Run ONNX graphs in float32. The memory stays on the device; each step copies the crop there and the box back."""

    runtime = "ONNX Runtime"
    precision = "float32"

    def __init__(self, folder: ModelFolder, device: str = "cpu", threads: int | None = None) -> None:
        """Read both graphs, for "cpu", "cuda" or "cuda:N"; `threads` None is one for each core.

        Waiting threads sleep, so that a busy machine slows them down less (docs/engines.md).
        """
        super().__init__(folder)
        if self.graphs.format != "onnx":
            raise CheckpointError(f"{folder.path} holds no ONNX graphs; write some with mixformer export --to onnx")
        self.device, self.threads = device, threads
        self._place = ("cpu", 0) if device == "cpu" else ("cuda", int(device.partition(":")[2] or 0))
        with suppress(AttributeError):  # on Windows the variables of `mixformer.optional` have no effect
            ort.disable_telemetry_events()
        options, providers = _options(threads), _providers(device)
        self._remember = _open(self.graphs.remember, options, providers)
        self._locate = _open(self.graphs.locate, options, providers)
        self._outputs = [output.name for output in self._locate.get_outputs()]
        self._part = ort.RunOptions()
        self._part.only_execute_path_to_fetches = True
        require_names(("templates", *self.graphs.memory), _names(self._remember), self.graphs.remember)
        require_names(("search", "boxes", *self.graphs.memory), _names(self._locate), self.graphs.locate)

    def __reduce__(self) -> Any:
        return OnnxEngine, (self.folder, self.device, self.threads)

    def _encode(self, templates: Image) -> tuple[Any, ...]:
        binding = self._remember.io_binding()
        binding.bind_cpu_input("templates", np.ascontiguousarray(templates))
        for name in self.graphs.memory:
            binding.bind_output(name, *self._place)
        self._run(self._remember, binding)
        return tuple(binding.get_outputs())

    def _describe(self, templates: Image, name: str) -> FloatArray:
        binding = self._remember.io_binding()
        binding.bind_cpu_input("templates", np.ascontiguousarray(templates))
        binding.bind_output(name, "cpu")
        self._run(self._remember, binding, self._part)
        return np.asarray(binding.copy_outputs_to_cpu()[0], np.float64)

    def _find(self, search: Image, target: tuple[Any, ...], count: int) -> dict[str, FloatArray]:
        binding = self._locate.io_binding()
        binding.bind_cpu_input("search", np.ascontiguousarray(search))
        for name, value in zip(self.graphs.memory, target, strict=True):
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._run(self._locate, binding)
        values = binding.copy_outputs_to_cpu()
        return {name: value.astype(np.float64) for name, value in zip(self._outputs, values, strict=True)}

    def _run(self, session: Any, binding: Any, options: Any = None) -> None:
        with _as_checkpoint_error(f"run the graphs in {self.folder.path}"):
            session.run_with_iobinding(binding, options)


def has_cuda() -> bool:
    """Tell whether this build of ONNX Runtime can use an NVIDIA GPU."""
    return any(name in ort.get_available_providers() for name in _GPU)


def _options(threads: int | None) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only
    if threads is not None:
        options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _providers(device: str) -> list[Any]:
    """Return the providers to try in order: TensorRT, CUDA, CPU."""
    if device == "cpu":
        return ["CPUExecutionProvider"]
    number = {"device_id": device.partition(":")[2] or "0"}
    there = [(name, number) for name in _GPU if name in ort.get_available_providers()]
    return [*there, "CPUExecutionProvider"]


def _names(session: Any) -> set[str]:
    """Return the names of all inputs and outputs."""
    return {each.name for each in (*session.get_inputs(), *session.get_outputs())}


def _open(file: Path, options: Any, providers: list[Any]) -> Any:
    with _as_checkpoint_error(f"read {file}"):
        return ort.InferenceSession(str(file), options, providers=providers)


@contextmanager
def _as_checkpoint_error(doing: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the exceptions of ONNX Runtime have no other common base
        raise CheckpointError(f"ONNX Runtime cannot {doing}; export the model again ({error})") from error
