"""Trace a network as two ONNX graphs, `remember` and `locate`, with PyTorch's exporter, and simplify them.

The graphs take uint8 images and normalize them. The memory is a flat list: keys and values of every block in order,
then the template tokens if the score prediction module reads them. For symmetric attention, it is the images alone.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20, optimizer
from torch import Tensor, nn

from mixformer.models import KVCache, Memory, MixFormer, RawTemplates

OPSET = 20
STATE_PREFIX = "model."  # in the graphs, this stands before the names of the state dict


@dataclass(frozen=True)
class TracedGraphs:
    """Both traced graphs of a network."""

    remember: ir.Model  # `templates` uint8 (B, N, t, t, 3) -> memory
    locate: ir.Model  # `search` uint8 (B, s, s, 3) and memory -> `boxes` (B, 4) and, with a score head, `scores` (B,)
    memory: tuple[str, ...]  # names of the memory tensors: outputs of `remember`, inputs of `locate`


class Remember(nn.Module):
    """Compute a flat memory from images of templates."""

    def __init__(self, model: MixFormer) -> None:
        super().__init__()
        self.model = model

    def forward(self, templates: Tensor) -> tuple[Tensor, ...]:
        """uint8 (B, N, t, t, 3) -> tensors of the memory."""
        if self.model.config.attention == "symmetric":
            return (templates.clone(),)
        memory = self.model.remember(self.model.normalize(templates))
        flat = tuple(part for block in memory.blocks for part in block)
        return flat if memory.templates is None else (*flat, memory.templates)


class Locate(nn.Module):
    """Compute boxes and scores from search images and a flat memory."""

    def __init__(self, model: MixFormer) -> None:
        super().__init__()
        self.model = model

    def forward(self, search: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """uint8 (B, s, s, 3) and tensors of the memory -> boxes (B, 4), and scores (B,) if there is a score head."""
        found = self.model.locate(self.model.normalize(search), self._unflatten(memory))
        boxes = found.boxes.float()
        return (boxes,) if found.scores is None else (boxes, found.scores.float())

    def _unflatten(self, memory: tuple[Tensor, ...]) -> Memory:
        if self.model.config.attention == "symmetric":
            return RawTemplates([], images=self.model.normalize(memory[0]))
        count = 2 * sum(reach != "self" for reach in self.model.config.reaches)
        blocks = [KVCache(*memory[start : start + 2]) for start in range(0, count, 2)]
        return Memory(blocks, memory[count] if len(memory) > count else None)


def trace(model: MixFormer, templates: int | None = None, batch: int | None = None) -> TracedGraphs:
    """Trace a network in float32 on the CPU, for a number of templates and of targets, or None for any."""
    # 1. Make example inputs, with numbers that no other dimension is likely to equal.
    size, search_size = model.config.template_size, model.config.search_size
    count, rows = templates or 2, batch or 3
    images = torch.zeros(rows, count, size, size, 3, dtype=torch.uint8)
    search = torch.zeros(rows, search_size, search_size, 3, dtype=torch.uint8)
    any_row = {} if batch else {0: torch.export.Dim("batch")}
    any_count = {} if templates else {1: torch.export.Dim("templates")}
    # 2. Trace both graphs; the memory of the first is an example for the second.
    with torch.no_grad(), _quiet():
        memory = Remember(model)(images)
        names = tuple(f"memory.{index}" for index in range(len(memory)))
        remember = _export(Remember(model), (images,), {"templates": any_row | any_count}, ["templates"], list(names))
        shapes = {
            "search": any_row,
            # Keys are (B, heads, T, d), tokens (B, T, C), images (B, N, ...).
            "memory": tuple(
                any_row if templates else any_row | {2 if part.dim() == 4 else 1: torch.export.Dim.AUTO}
                for part in memory
            ),
        }
        outputs = ["boxes", "scores"][: 1 + (model.score_head is not None)]
        locate = _export(Locate(model), (search, *memory), shapes, ["search", *names], outputs)
    return TracedGraphs(remember, locate, names)


def _export(
    module: nn.Module, inputs: tuple[Tensor, ...], shapes: dict[str, Any], names: list[str], outputs: list[str]
) -> ir.Model:
    program = torch.onnx.export(
        module.eval(),
        inputs,
        dynamo=True,
        optimize=False,  # optimizing would store transposed copies of the weights in the graph
        verbose=False,
        opset_version=OPSET,
        dynamic_shapes=shapes,
        input_names=names,
        output_names=outputs,
        custom_translation_table={torch.ops.aten.scaled_dot_product_attention.default: _attention},
    )
    assert program is not None  # it is None only if the exporter writes a file itself
    return program.model


def _attention(
    queries: Any,
    keys: Any,
    values: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float = 1.0,
    enable_gqa: bool = False,
) -> Any:
    """Compute softmax(q k^T * scale) v. The exporter's own form would scale the templates' keys again in each step."""
    scaled = opset20.Mul(queries, opset20.Constant(value_float=scale))
    logits = opset20.MatMul(scaled, opset20.Transpose(keys, perm=[0, 1, 3, 2]))
    return opset20.MatMul(opset20.Softmax(logits, axis=-1), values)


def simplify(model: ir.Model) -> None:
    """Fold all nodes that depend on no weight, and delete the notes of the tracer; in place.

    The optimizer must not make transposed or merged copies of weights: the graphs share one weights file, and runtimes
    fold such expressions when they load. So weights are presented to it as inputs.
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's warnings about optional packages."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
