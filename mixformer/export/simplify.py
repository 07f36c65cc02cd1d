"""Smaller graphs that load faster: shapes folded to numbers, notes of the tracer removed, weights left alone."""

from __future__ import annotations

import onnx_ir as ir
from onnxscript import optimizer

from mixformer.export.trace import STATE_PREFIX


def simplify(model: ir.Model) -> None:
    """Fold what does not depend on a weight, and forget where every node came from; in place.

    Weights are shown to the optimizer as inputs, so that it makes no transposed or merged copies of them: graphs share
    one weights file, and the runtimes fold such expressions when they load.
    """
    graph = model.graph
    hidden = [value for name, value in graph.initializers.items() if name.startswith(STATE_PREFIX)]
    constants = {value.name: value.const_value for value in hidden}
    for value in hidden:
        graph.initializers.pop(value.name)
        value.const_value = None
        graph.inputs.append(value)
    optimizer.optimize(model)
    for value in hidden:
        graph.inputs.remove(value)
        if value.uses():
            value.const_value = constants[value.name]
            graph.register_initializer(value)
    _forget_origins(graph)


def _forget_origins(graph: ir.Graph) -> None:
    outside = {*graph.inputs, *graph.outputs, *graph.initializers.values()}
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
            if value not in outside:
                value.shape = None
                value.type = None
    for value in outside:
        value.metadata_props.clear()
    graph.metadata_props.clear()
    graph.doc_string = None
