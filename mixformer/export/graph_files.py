"""Graph files beside a folder's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx_ir as ir

from mixformer.export.sample_crops import Crops
from mixformer.export.settings import ExportPlan
from mixformer.export.share import point_into, stored_tensors
from mixformer.export.simplify import simplify
from mixformer.export.trace import OPSET, trace
from mixformer.models import MixFormer
from mixformer.weights.catalog import WEIGHTS_FILE


def write_graphs(model: MixFormer, place: Path, plan: ExportPlan, calibration: Crops) -> dict[str, Any]:
    """Write both graphs of a network.

    Args:
        model: the network, with the weights that the folder holds.
        place: folder of the weights.
        plan: format, and what is fixed.
        calibration: crops for 8-bit arithmetic.

    Returns:
        What the folder's `config.json` says under "graphs".
    """
    graphs = trace(model, plan.templates, plan.batch)
    tensors = stored_tensors(place / WEIGHTS_FILE)
    files = {"remember": place / "remember.onnx", "locate": place / "locate.onnx"}
    for name, graph in (("remember", graphs.remember), ("locate", graphs.locate)):
        simplify(graph)
        point_into(graph, tensors)
        ir.save(graph, files[name])
    described: dict[str, Any] = {
        "format": "onnx",
        **{name: file.name for name, file in files.items()},
        "opset": OPSET,
        "memory": list(graphs.memory),
        "templates": graphs.templates,
        "batch": graphs.batch,
    }
    if plan.to == "openvino":
        from mixformer.export.openvino_form import to_openvino

        return to_openvino(place, described, plan.precision, calibration)
    return described
