"""Run exported graphs with any shapes, to check an export. Tracking uses faster engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mixformer.engines import ENGINES
from mixformer.optional import installed, missing
from mixformer.types import EngineOutput, FloatArray, Image
from mixformer.weights.model_folder import ExportedGraphs

Runner = Callable[[Image, Image], EngineOutput]
"""A function from templates (B, N, t, t, 3) and search crops (B, s, s, 3), uint8, to the output of the graphs."""


def runners(graphs: ExportedGraphs) -> dict[str, Runner]:
    """Make a runner for every installed runtime that reads the graphs' format, by the name of its package."""
    makers = {"onnxruntime": _onnxruntime, "openvino": _openvino}
    there = [spec.package for spec in ENGINES.values() if graphs.format in spec.formats and spec.package in makers]
    there = [package for package in there if installed(package)]
    if not there:
        raise missing("openvino", "checking the exported graphs")
    return {package: makers[package](graphs) for package in there}


def _onnxruntime(graphs: ExportedGraphs) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    remember, locate = (
        onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        for file in (graphs.remember, graphs.locate)
    )
    outputs = [output.name for output in locate.get_outputs()]

    def run(templates: Image, search: Image) -> EngineOutput:
        memory = remember.run(list(graphs.memory), {"templates": templates})
        inputs = {"search": search, **dict(zip(graphs.memory, memory, strict=True))}
        return _location(dict(zip(outputs, locate.run(outputs, inputs), strict=True)))

    return run


def _openvino(graphs: ExportedGraphs) -> Runner:
    from mixformer.engines.openvino_compiler import core

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # without this, activations become 8-bit if weights are
    }
    models = [core().read_model(file, graphs.weights or "") for file in (graphs.remember, graphs.locate)]
    if graphs.format == "onnx":
        for model in models:
            fold(model)
    remember, locate = (core().compile_model(model, "CPU", settings) for model in models)

    def run(templates: Image, search: Image) -> EngineOutput:
        memory = remember({"templates": templates})
        inputs = {"search": search, **{name: memory[name] for name in graphs.memory}}
        found = locate(inputs)
        return _location({port.get_any_name(): value for port, value in found.items()})

    return run


def fold(model: Any) -> None:
    """Fold the constants of an OpenVINO model, such as floats computed from stored 8-bit integers.

    Without this, OpenVINO 2026.4 cannot compile a product of a constant and an 8-bit matrix, which the score prediction
    module has if the batch is fixed ("m_element_type.is_static() failed").
    """
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)


def _location(found: dict[str, Any]) -> EngineOutput:
    def as_float64(name: str) -> FloatArray:
        return np.asarray(found[name], np.float64)

    return EngineOutput(as_float64("boxes"), as_float64("scores") if "scores" in found else None)
