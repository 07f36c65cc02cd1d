"""Change a graph before OpenVINO compiles it: how weights are stored, and which layers stay in float32."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from mixformer.engines.graph_cache import work_places
from mixformer.errors import OutputError

_SHAPING = ("Convert", "Reshape", "Multiply", "Transpose", "Unsqueeze", "Broadcast")  # between weights and their use
_LARGEST = 3e38  # larger than any number of a network
_UNMARKED = ("Parameter", "Result", "Constant", "Convert")


def is_quantized(model: Any) -> bool:
    """Tell whether the graph itself rounds to 8 bits, as graphs of NNCF do."""
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def unpack(model: Any) -> None:
    """Convert weights that are stored in 8 or 16 bits to float32, with which OpenVINO is faster."""
    for node in model.get_ops():
        if node.get_type_name() == "Convert" and node.get_element_type() == ov.Type.f32:
            source = node.input_value(0).get_node()
            if source.get_type_name() == "Constant":
                node.output(0).replace(ov.op.Constant(source.data.astype(np.float32)).output(0))


def center_keys(model: Any) -> None:
    """Remove the bias of attention keys: an exact change that makes 16 bits more precise.

    The bias adds the same number to a query's products with all keys, and softmax cancels it. But in some blocks it is
    far larger than the differences between keys, which the 8 significant bits of the sum then lose. Queries and values
    keep their bias. Change both graphs, because their keys are used together.

    Args:
        model: a graph whose weights have the names of the network; it is changed.
    """
    for node in model.get_ops():
        name = node.get_friendly_name()
        if node.get_type_name() != "Constant" or not name.endswith((".attn.qkv.bias", ".attn.key.bias")):
            continue
        bias = node.data.copy()
        keys = bias.reshape(3, -1)[1] if name.endswith("qkv.bias") else bias
        keys[:] = 0
        node.output(0).replace(ov.op.Constant(bias).output(0))


def merge_pixel_steps(model: Any) -> None:
    """Merge the normalization of pixels into one factor and one offset per color.

    OpenVINO merges these steps too, but into new nodes without the marks of `keep_exact`.

    Args:
        model: a graph with static shapes; it is changed.
    """
    # Follow the chain of divisions and subtractions from the first one on pixels: x / 255, - mean, / std.
    divisions = (node for node in model.get_ordered_ops() if node.get_type_name() == "Divide")
    first = next((node for node in divisions if len(node.get_output_partial_shape(0)) > 2), None)
    steps = [] if first is None else [first, *_following(first, ("Divide", "Subtract"))]
    values = [_value(step.input_value(1).get_node()) for step in steps]
    if not steps or any(value is None for value in values):
        return
    # Combine the chain into x * factor + offset, in float64, and put it in place of the last step.
    factor, offset = np.ones(()), np.zeros(())
    for step, value in zip(steps, values, strict=True):
        if step.get_type_name() == "Divide":
            factor, offset = factor / value, offset / value
        else:
            offset = offset - value
    scaled = ops.multiply(steps[0].input_value(0), ops.constant(factor.astype(np.float32)))
    shifted = ops.add(scaled, ops.constant(offset.astype(np.float32)))
    steps[-1].output(0).replace(shifted.output(0))


def widen_products(model: Any) -> None:
    """Keep products that go into a residual sum in float32.

    OpenVINO fuses a product with the bias and factor after it, whose marks are then lost, and writes the result in the
    type of the last fused step. A clamp to the range of all floats is not fused, so its mark (`light_layers`) holds.

    Args:
        model: a graph with static shapes; it is changed.
    """
    for node in filter(_is_residual, model.get_ops()):
        for port in node.inputs():
            made = port.get_source_output()
            if _ends_product(made.get_node()) and len(made.get_target_inputs()) == 1:
                port.replace_source_output(ops.clamp(made, -_LARGEST, _LARGEST).output(0))


def residual_sums(model: Any) -> set[str]:
    """List the nodes that add a block's output to its input. A rounding error there stays until the end.

    The list includes the nodes that leave tokens out of these sums, and the nodes that choose these tokens
    (`ModelConfig.elimination`).
    """
    nodes = [node for node in model.get_ops() if _is_residual(node)]
    for picked in (node for node in model.get_ops() if _picks_tokens(node)):
        nodes += [picked, *_following(picked, ("Concat",)), *_choosing(picked.input_value(1).get_node())]
    return {node.get_friendly_name() for node in nodes}


def light_layers(model: Any) -> set[str]:
    """List the nodes that cause much of the error and take little of the time.

    These are residual sums, the clamps of `widen_products`, layer norms, and everything before the first tokens.
    """
    # Everything before the first layer norm (MVN) turns pixels into tokens.
    ordered = model.get_ordered_ops()
    kinds = [node.get_type_name() for node in ordered]
    first = kinds.index("MVN") if "MVN" in kinds else 0
    nodes = [
        node
        for node in ordered[:first]
        if node.get_type_name() not in _UNMARKED and len(node.get_output_partial_shape(0)) > 2
    ]
    for node, kind in zip(ordered, kinds, strict=True):
        if kind == "MVN":
            nodes += [node, *_following(node, ("Multiply", "Add"))]
        elif kind == "Clamp":
            nodes.append(node)
    return {node.get_friendly_name() for node in nodes} | residual_sums(model)


def keep_exact(core: Any, model: Any, names: set[str]) -> Any:
    """Mark nodes to stay in float32 while the rest is in 16 bits; return the marked graph.

    Args:
        core: OpenVINO's core.
        model: a graph with static shapes; not changed.
        names: names of the nodes. Matrix products ignore the mark.

    Raises:
        OutputError: if no folder has room for it.
    """
    problem: Exception | None = None
    for place in work_places():
        try:
            with TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
                graph, weights = Path(folder, "graph.xml"), Path(folder, "graph.bin")
                ov.serialize(model, graph, weights)
                root = ElementTree.fromstring(graph.read_bytes())
                constants = ov.Tensor(np.fromfile(weights, np.uint8))
            _mark(root, names)
            return core.read_model(ElementTree.tostring(root), constants)
        except (OSError, RuntimeError, ElementTree.ParseError) as error:  # a full disk is one of the latter two
            problem = error
    if isinstance(problem, RuntimeError) and "iostream" not in str(problem):  # of the graph
        raise problem
    raise OutputError(
        f"OpenVINO needs a folder for temporary files of some 100 MB ({problem}); make room, or set TMPDIR to one"
    ) from problem


def _mark(root: ElementTree.Element, names: set[str]) -> None:
    """Mark layers. The mark comes after <data> and before the ports, as in the files of OpenVINO."""
    for layer in root.iter("layer"):
        if layer.get("name") in names and layer.get("type") != "Const":
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(int(layer.find("data") is not None), info)
            ElementTree.SubElement(info, "attribute", {"name": "precise", "version": "0"})


def _following(node: Any, kinds: tuple[str, ...]) -> list[Any]:
    """Follow a node while it has a single user of one of these kinds; return these users in order."""
    found: list[Any] = []
    while True:
        users = [user.get_node() for user in (found or [node])[-1].output(0).get_target_inputs()]
        if len(users) != 1 or users[0].get_type_name() not in kinds:
            return found
        found.append(users[0])


def _picks_tokens(node: Any) -> bool:
    """Tell whether a node leaves tokens out of a sequence; queries, of four dimensions, need no exact numbers."""
    return node.get_type_name() == "GatherElements" and len(node.get_output_partial_shape(0)) == 3


def _choosing(node: Any) -> list[Any]:
    """List a node and its inputs, up to matrix products and constants."""
    if node.get_type_name() in ("MatMul", *_UNMARKED):
        return []
    return [node, *(each for port in node.input_values() for each in _choosing(port.get_node()))]


def _value(node: Any) -> Any:
    """Return a constant's value as float64; None for any other node."""
    if node.get_type_name() == "Convert":
        return _value(node.input_value(0).get_node())
    return node.data.astype(np.float64) if node.get_type_name() == "Constant" else None


def _is_residual(node: Any) -> bool:
    """Tell whether a node adds two token sequences, neither of them a weight."""
    if node.get_type_name() != "Add" or len(node.get_output_partial_shape(0)) != 3:
        return False
    return not any(_is_weight(node.input_value(index).get_node()) for index in (0, 1))


def _ends_product(node: Any) -> bool:
    """Tell whether a node may be the bias or the factor after a matrix product."""
    return node.get_type_name() in ("Add", "Multiply") and not _is_residual(node)


def _is_weight(node: Any) -> bool:
    if node.get_type_name() in _SHAPING:
        return all(_is_weight(node.input_value(index).get_node()) for index in range(node.get_input_size()))
    return bool(node.get_type_name() in ("Constant", "ShapeOf"))
