"""What is changed in a graph before OpenVINO compiles it: how weights are stored, and what stays in float32."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openvino as ov

_SHAPING = ("Convert", "Reshape", "Multiply", "Transpose", "Unsqueeze", "Broadcast")  # between weights and their use


def is_quantised(model: Any) -> bool:
    """Whether the graph itself rounds to 8 bits, as one made with NNCF does."""
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def unpack(model: Any) -> None:
    """Turn weights that are stored in 8 or 16 bits into float32, which OpenVINO calculates faster with."""
    for node in model.get_ops():
        if node.get_type_name() == "Convert" and node.get_element_type() == ov.Type.f32:
            source = node.input_value(0).get_node()
            if source.get_type_name() == "Constant":
                node.output(0).replace(ov.op.Constant(source.data.astype(np.float32)).output(0))


def keep_residual(core: Any, model: Any) -> Any:
    """The graph with its residual sums marked to stay in float32 where the rest is in 16 bits.

    Every block adds to these sums, and rounding them each time is the largest error of the whole network. OpenVINO
    takes such marks from its files only, so the graph goes through one.

    Args:
        core: OpenVINO's.
        model: with static shapes; stays as it is.
    """
    names = {node.get_friendly_name() for node in model.get_ops() if _is_residual(node)}
    with tempfile.TemporaryDirectory() as folder:
        graph, weights = Path(folder) / "graph.xml", Path(folder) / "graph.bin"
        ov.serialize(model, graph, weights)
        root = ElementTree.fromstring(graph.read_bytes())
        constants = ov.Tensor(np.fromfile(weights, np.uint8))
    for layer in root.iter("layer"):
        if layer.get("name") in names and layer.get("type") == "Add":
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(int(layer.find("data") is not None), info)
            ElementTree.SubElement(info, "attribute", {"name": "precise", "version": "0"})
    return core.read_model(ElementTree.tostring(root), constants)


def _is_residual(node: Any) -> bool:
    """Whether a node adds two token sequences, neither of them a weight."""
    if node.get_type_name() != "Add" or len(node.get_output_partial_shape(0)) != 3:
        return False
    return not any(_is_weight(node.input_value(index).get_node()) for index in (0, 1))


def _is_weight(node: Any) -> bool:
    if node.get_type_name() in _SHAPING:
        return all(_is_weight(node.input_value(index).get_node()) for index in range(node.get_input_size()))
    return bool(node.get_type_name() in ("Constant", "ShapeOf"))
