"""The one check of a set of tensors against the network it is meant for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import CheckpointError, first_few
from mixformer.models import build_model

Shapes = Mapping[str, tuple[int, ...]]


def model_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every entry of the model's state dict, without making the weights."""
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in build_model(config).state_dict().items()}


def current_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a saved file under the names of this version, where 0.1.0 had others."""
    return {key.replace("score_head.looks.", "score_head.cross_attentions."): each for key, each in tensors.items()}


def check_state_dict(
    state: Mapping[str, Tensor], expected: Shapes, source: str, optional: Shapes | None = None
) -> None:
    """Check names and shapes.

    Args:
        state: what a file holds.
        expected: entries that must be there.
        source: the file, for the message.
        optional: entries that may be there.

    Raises:
        CheckpointError: naming the missing, unknown and mis-shaped entries.
    """
    allowed = {**(optional or {}), **expected}
    problems = {
        "missing": [key for key in expected if key not in state],
        "unknown": [key for key in state if key not in allowed],
        "of another shape": [
            f"{key} {tuple(value.shape)} instead of {allowed[key]}"
            for key, value in state.items()
            if key in allowed and tuple(value.shape) != allowed[key]
        ],
    }
    lines = [f"{len(keys)} {kind}: {', '.join(first_few(keys))}" for kind, keys in problems.items() if keys]
    if lines:
        raise CheckpointError(f"{source} does not fit the model. " + "; ".join(lines))
