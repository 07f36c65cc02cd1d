"""Starts for training: pre-trained image models brought into our layout."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mixformer.errors import CheckpointError
from mixformer.models import MixFormer
from mixformer.models.layers import resize_table

_BLOCK = {
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "attn.proj.weight": "attention.output.dense.weight",
    "attn.proj.bias": "attention.output.dense.bias",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "mlp.fc1.weight": "mlp.fc1.weight",
    "mlp.fc1.bias": "mlp.fc1.bias",
    "mlp.fc2.weight": "mlp.fc2.weight",
    "mlp.fc2.bias": "mlp.fc2.bias",
    "scale1": "layer_scale1.lambda1",
    "scale2": "layer_scale2.lambda1",
}


def load_dinov2(model: MixFormer, path: str | Path) -> None:
    """Start the backbone from a DINOv2 ViT file (Hugging Face key names, safetensors), its first blocks.

    Position tables are interpolated to the crops' grids (journal paper, position embeddings 1 and 2). The prediction
    tokens start as the class token plus noise that tells them apart.

    Raises:
        CheckpointError: if the file is unreadable, or its width, patch size or depth do not fit the model.
    """
    try:
        source = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read DINOv2 weights from {path}: {error}") from error
    config, state = model.config, {}
    try:
        state["patch_embed.weight"] = source["embeddings.patch_embeddings.projection.weight"]
        state["patch_embed.bias"] = source["embeddings.patch_embeddings.projection.bias"]
        table, class_position = _positions(source)
        state["pos_search"] = resize_table(table, config.search_grid)
        state["pos_template"] = resize_table(table, config.template_grid)
        start = source["embeddings.cls_token"] + class_position
        for index in range(config.depth):
            state |= _block(source, index)
    except KeyError as error:
        raise CheckpointError(
            f"{path} lacks {error}; is it a DINOv2 file with at least {config.depth} blocks?"
        ) from error
    state["tokens"] = start + torch.randn(1, config.prediction_tokens, start.shape[-1]) * start.std()
    state["pos_tokens"] = torch.zeros_like(model.backbone.pos_tokens)
    try:
        model.backbone.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit {config.name}: {error}") from error


def _positions(source: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Position tables of the patches (1, n * n, C) and of the class token (1, 1, C): one tensor or two in the file."""
    if "embeddings.position_embeddings" in source:
        table = source["embeddings.position_embeddings"]
        return table[:, 1:], table[:, :1]
    return source["embeddings.patch_position_embeddings"], source["embeddings.class_position_embedding"]


def _block(source: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    theirs, ours = f"encoder.layer.{index}.", f"blocks.{index}."
    found = {ours + new: source[theirs + old] for new, old in _BLOCK.items()}
    for kind in ("weight", "bias"):
        parts = [source[f"{theirs}attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
        found[f"{ours}attn.qkv.{kind}"] = torch.cat(parts)
    return found
