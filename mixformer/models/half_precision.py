"""A network whose matrix products run in half precision, with weights cast once and no autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mixformer.models.corner import CornerHead
from mixformer.models.mixformer import MixFormer


def to_half_precision(model: MixFormer, dtype: torch.dtype) -> MixFormer:
    """Bring linear layers and convolutions of the backbone and of corner heads to half precision, for inference.

    The first convolution, the residual stream, layer norms, softmax, heads on tokens and all that becomes a box or a
    score stay in float32.
    Autocast would choose nearly the same, but casts the weights again in every step.

    Args:
        model: a network in float32, folded or not; it is changed.
        dtype: bfloat16 or float16.

    Returns:
        The same network.
    """
    dense = [model.box_head] if isinstance(model.box_head, CornerHead) else []
    for part in (model.backbone, *dense):
        for layer in part.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and not _sees_pixels(layer):
                layer.to(dtype).register_forward_pre_hook(_cast_input)
    return model


def _cast_input(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
    return (inputs[0].to(layer.weight.dtype),)


def _sees_pixels(layer: nn.Linear | nn.Conv2d) -> bool:
    """Whether a layer makes tokens of colors: a small part of the work, and its rounding is in all that follows."""
    return isinstance(layer, nn.Conv2d) and layer.in_channels == 3
