"""Networks for inference: constants folded into weights, and matrix products in half precision.

`fold_constants` computes once, when a network is loaded, what does not depend on the images. Most rules move a factor
or an offset into the weights of a linear layer or convolution beside it, so results stay the same up to rounding.
One rule drops the bias of keys, which makes rounding errors smaller. The attention scale needs no rule: PyTorch's
fused attention applies it at no cost.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from mixformer.models.attention import ConvAttention, DepthwiseConv, SlimAttention
from mixformer.models.block import Block
from mixformer.models.corner import CornerHead
from mixformer.models.layers import BatchNorm
from mixformer.models.mixformer import MixFormer
from mixformer.models.spm import CrossAttention, ScorePrediction
from mixformer.models.stage import Stage
from mixformer.models.stem import ConvBlock, ConvEmbed, ConvStem, DecoderEmbed

Weighted = nn.Linear | nn.Conv2d


def fold_constants(model: MixFormer) -> MixFormer:
    """Copy a network to the CPU for inference, with constants folded; the given network is not changed.

    The copy gives the same results for the same uint8 images. Prepare them with the copy's own `normalize`. Its weights
    do not fit the configuration any more, so it cannot be saved or trained.

    Args:
        model: any variant.
    """
    folded = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    for module in list(folded.modules()):
        for kind, rule in _RULES.items():
            if isinstance(module, kind):
                rule(module)
    _fold_pixels(folded)
    return folded


def _fold_block(block: Block) -> None:
    """Fold norms into the layers after them, and LayerScale into the layers before it.

    In MixCvT a convolution that pads with zeros follows the first norm. An offset cannot be moved across the padding.
    """
    if isinstance(block.attn, SlimAttention):
        _into_next(block.norm1, block.attn.qkv)
    _into_next(block.norm2, block.mlp.fc1)
    for name, layer in (("scale1", block.attn.proj), ("scale2", block.mlp.fc2)):
        scale = getattr(block, name)
        if scale is not None:
            _into_previous(layer, scale, torch.zeros_like(scale))
            setattr(block, name, None)


def _center_keys(bias: Tensor) -> None:
    """Drop the bias of keys, with the part of a norm's shift that was folded into it.

    The bias adds the same number to a query's products with all keys, and softmax ignores a common offset. In some
    trained blocks the bias is far larger than the differences between keys, so half precision would keep few bits of
    these.
    """
    bias.zero_()


def _fold_conv_block(block: ConvBlock) -> None:
    _into_next(block.norm1, block.conv1)
    _into_next(block.norm2, block.mlp.fc1)


def _fold_score(head: ScorePrediction) -> None:
    first, second = (cast(CrossAttention, attention) for attention in head.cross_attentions)
    _into_next(head.norm, first.query)
    _into_next(first.norm, second.query)
    _into_next(second.norm, cast(nn.Linear, head.layers[0]))


def _fold_depthwise(conv: DepthwiseConv) -> None:
    if isinstance(conv.norm, BatchNorm):
        _norm_into_conv(conv.conv, conv.norm)
        conv.norm = nn.Identity()  # type: ignore[assignment]


def _fold_sequence(sequence: nn.Sequential) -> None:
    for index in range(len(sequence) - 1):
        if isinstance(norm := sequence[index + 1], BatchNorm):
            _norm_into_conv(cast(nn.Conv2d, sequence[index]), norm)
            sequence[index + 1] = nn.Identity()


def _fold_stage(stage: Stage) -> None:
    """Fold the bias of the embedding into the position tables, and the tokens' position into the tokens."""
    if stage.token_count:
        stage.tokens.add_(stage.pos_tokens)
        stage.pos_tokens.zero_()
    layer = stage.patch_embed.proj if isinstance(stage.patch_embed, ConvStem | DecoderEmbed) else stage.patch_embed
    if stage.pos_search is not None and isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None:
        stage.pos_search.add_(layer.bias)
        stage.pos_template.add_(layer.bias)
        layer.bias = None


def _fold_pixels(model: MixFormer) -> None:
    """Fold the images' normalization into the first convolution, unless it pads with zeros (as MixCvT's does)."""
    embed = model.backbone.parts[0].patch_embed
    first = embed.embeds[0] if isinstance(embed, ConvStem) else embed
    conv = first.proj if isinstance(first, ConvEmbed) else first
    if not isinstance(conv, nn.Conv2d) or any(cast(tuple[int, int], conv.padding)) or model.std is None:
        return
    mean, std = (value.double().flatten() for value in (model.mean, model.std))
    offset = -_inner(conv.weight.double(), mean / std)
    conv.weight.copy_(conv.weight.double() / (255 * std)[:, None, None])
    stage = model.backbone.parts[0]  # a convolution without a bias has had it folded into the position tables
    for bias in (conv.bias,) if conv.bias is not None else (stage.pos_search, stage.pos_template):
        bias.copy_(bias + offset)
    model.std = None


_RULES: dict[type[nn.Module], Callable[[Any], None]] = {
    Block: _fold_block,
    SlimAttention: lambda attention: _center_keys(attention.qkv.bias.view(3, -1)[1]),
    ConvAttention: lambda attention: _center_keys(attention.key.bias),
    ConvBlock: _fold_conv_block,
    DecoderEmbed: lambda embed: _into_next(embed.norm, embed.proj),
    ScorePrediction: _fold_score,
    DepthwiseConv: _fold_depthwise,
    nn.Sequential: _fold_sequence,
    Stage: _fold_stage,
}


def _into_next(norm: nn.LayerNorm, layer: Weighted) -> None:
    """Fold scale and shift of a layer norm into the layer after it (a linear layer or a 1x1 convolution)."""
    if norm.weight is None:
        return
    weight = layer.weight.double()
    shift = _inner(weight, norm.bias.double())
    layer.weight.copy_(weight * norm.weight.double().view(-1, *[1] * (weight.dim() - 2)))
    layer.bias = nn.Parameter((_bias(layer) + shift).to(layer.weight.dtype), requires_grad=False)
    norm.weight = norm.bias = None  # type: ignore[assignment]
    norm.elementwise_affine = False


def _into_previous(layer: Weighted, scale: Tensor, shift: Tensor) -> None:
    """Fold `scale * output + shift`, per channel, into the layer before it."""
    weight, factor = layer.weight.double(), scale.double()
    bias = _bias(layer) * factor + shift.double()
    layer.weight.copy_(weight * factor.view(-1, *[1] * (weight.dim() - 1)))
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), requires_grad=False)


def _norm_into_conv(conv: nn.Conv2d, norm: BatchNorm) -> None:
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    _into_previous(conv, scale, norm.bias.double() - norm.running_mean.double() * scale)


def _inner(weight: Tensor, values: Tensor) -> Tensor:
    """Compute a layer's output (C,) for inputs that are `values` (C',) everywhere."""
    return torch.einsum("oi...,i->o", weight, values)


def _bias(layer: Weighted) -> Tensor:
    zeros = torch.zeros(len(layer.weight), dtype=torch.float64, device=layer.weight.device)
    return zeros if layer.bias is None else layer.bias.double()


def to_half_precision(model: MixFormer, dtype: torch.dtype) -> MixFormer:
    """Convert linear layers and convolutions of the backbone and of corner heads to half precision, for inference.

    The first convolution, the residual stream, layer norms, softmax, heads on tokens, boxes and scores stay in float32.
    Autocast would choose nearly the same layers, but cast the weights again in every step.

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
    """Tell whether a layer embeds colors as tokens: it is cheap, but its rounding affects everything after it."""
    return isinstance(layer, nn.Conv2d) and layer.in_channels == 3
