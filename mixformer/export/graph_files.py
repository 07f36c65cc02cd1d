"""Write graphs beside a folder's weights. Their constants refer to the safetensors file that PyTorch loads too."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import onnx_ir as ir

from mixformer.errors import CheckpointError
from mixformer.export.sample_crops import Crops
from mixformer.export.settings import ExportPlan
from mixformer.export.trace import OPSET, STATE_PREFIX, simplify, trace
from mixformer.files import parse_json
from mixformer.models import MixFormer
from mixformer.weights.catalog import WEIGHTS_FILE

_TYPES = {"F32": ir.DataType.FLOAT, "F16": ir.DataType.FLOAT16, "I8": ir.DataType.INT8, "I64": ir.DataType.INT64}


def write_graphs(model: MixFormer, place: Path, plan: ExportPlan, calibration: Crops) -> dict[str, Any]:
    """Write both graphs of a network beside its weights; return the entry "graphs" of the folder's `config.json`."""
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
        "templates": plan.templates,
        "batch": plan.batch,
    }
    if plan.to == "openvino":
        from mixformer.export.openvino_form import to_openvino

        return to_openvino(place, described, plan.precision, calibration)
    return described


class StoredTensor(NamedTuple):
    """The place of a tensor in a safetensors file."""

    dtype: ir.DataType
    shape: tuple[int, ...]
    offset: int  # first byte in the file
    length: int  # number of bytes


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """Read the places of all tensors from the header of a safetensors file: 8 bytes of length, JSON, then the data."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = parse_json(file.read(size), path, CheckpointError)
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in _TYPES:
            raise CheckpointError(f"{name} in {path} is stored as {entry['dtype']}; convert the model again")
        start, end = entry["data_offsets"]
        found[name] = StoredTensor(_TYPES[entry["dtype"]], tuple(entry["shape"]), 8 + size + start, end - start)
    return found


def point_into(model: ir.Model, tensors: Mapping[str, StoredTensor]) -> None:
    """Replace a graph's weights by references to the weights file, in place.

    A Cast converts half floats, and a DequantizeLinear converts 8-bit integers by row, as `dequantize_state` does.
    Constants that are not in the file stay inside: mean and deviation of the normalization, and small ones.
    """
    graph = model.graph
    first = graph[0]
    for name in list(graph.initializers):
        key = name.removeprefix(STATE_PREFIX)
        if key not in tensors:
            continue
        old = graph.initializers.pop(name)
        made = _external(key, tensors[key])
        graph.register_initializer(made)
        if tensors[key].dtype != old.dtype:
            node = _to_float(made, key, tensors, graph)
            graph.insert_before(first, node)
            made = node.outputs[0]
        ir.convenience.replace_all_uses_with(old, made)


def _external(key: str, stored: StoredTensor) -> ir.Value:
    tensor = ir.ExternalTensor(
        WEIGHTS_FILE, stored.offset, stored.length, stored.dtype, shape=ir.Shape(stored.shape), name=key
    )
    return ir.Value(name=key, shape=ir.Shape(stored.shape), type=ir.TensorType(stored.dtype), const_value=tensor)


def _to_float(value: ir.Value, key: str, tensors: Mapping[str, StoredTensor], graph: ir.Graph) -> ir.Node:
    if tensors[key].dtype != ir.DataType.INT8:
        return ir.node("Cast", [value], {"to": ir.DataType.FLOAT}, name=f"{key}.float")
    scale = _external(f"{key}.scale", tensors[f"{key}.scale"])
    graph.register_initializer(scale)
    return ir.node("DequantizeLinear", [value, scale], {"axis": 0}, name=f"{key}.float")
