"""Build the parts of a network that its configuration names."""

from __future__ import annotations

import itertools

from torch import nn

from mixformer.configs.model import ModelConfig, Reach, StageSize
from mixformer.errors import ConfigError
from mixformer.models.attention import ConvAttention, MixedAttention, SlimAttention
from mixformer.models.block import Block
from mixformer.models.corner import CornerHead, CornerTower, PyramidTower
from mixformer.models.heads import FourMlpHead, QueryHead, TokenHead, TokenScore
from mixformer.models.spm import ScorePrediction
from mixformer.models.stage import Backbone, Stage, StageChain
from mixformer.models.stem import ConvEmbed, ConvStem, DecoderEmbed

BoxHead = TokenHead | FourMlpHead | QueryHead | CornerHead


def build_backbone(config: ModelConfig) -> Backbone:
    """Build the backbone: three stages for MixCvT, else one after patches or a stem, and one more for a decoder."""
    sizes = config.stages
    embeds = _cvt_embeds(config) if config.backbone == "cvt" else [_patch_embed(config)]
    if config.decoder_depth:
        embeds.append(DecoderEmbed(config.dim, config.decoder_dim))
    tokens = [0] * (len(sizes) - 1) + [config.prediction_tokens]  # in the last stage
    reaches = iter(config.reaches)
    stages = [
        Stage(
            embed,
            [_block(config, size, next(reaches)) for _ in range(size.depth)],
            size,
            config.position,
            count,
            config.elimination if count else (),
        )
        for embed, size, count in zip(embeds, sizes, tokens, strict=True)
    ]
    return stages[0] if len(stages) == 1 else StageChain(stages)


def build_box_head(config: ModelConfig) -> BoxHead:
    """Build the head that `config.head` names.

    Raises ConfigError if `head_dim` of a corner head is not a multiple of 8.
    """
    dim = config.final_dim
    if config.head == "token":
        shared = config.shared_mlp and config.prediction_tokens == 4
        return TokenHead(dim, config.bins) if shared else FourMlpHead(dim, config.bins)
    if config.head == "query":
        return QueryHead(dim)
    if config.head_dim < 8 or config.head_dim % 8:
        raise ConfigError(f"head_dim must be a multiple of 8, not {config.head_dim}: each unit halves the width")
    tower = {"corner": CornerTower, "pyramid": PyramidTower}[config.head]
    frozen = config.frozen_norms == "all"
    return CornerHead(tower(dim, config.head_dim, frozen), tower(dim, config.head_dim, frozen))


def build_score_head(config: ModelConfig) -> TokenScore | ScorePrediction | None:
    """Build the score head that `config.score` names."""
    if config.score == "none":
        return None
    if config.score == "spm":
        return ScorePrediction(config.final_dim, config.stages[-1].heads)
    return TokenScore(config.final_dim, average_tokens=config.score == "token_mean")


def _patch_embed(config: ModelConfig) -> nn.Module:
    if config.backbone == "convmae":
        return ConvStem((*config.early_dims, config.dim), config.early_depths, config.mlp_ratio)
    return nn.Conv2d(3, config.dim, config.patch_size, config.patch_size)


def _cvt_embeds(config: ModelConfig) -> list[nn.Module]:
    """Build the overlapping patches: 7x7, stride 4 on the image; 3x3, stride 2 between stages (CvT, table 1)."""
    widths = (3, *config.early_dims, config.dim)
    return [
        ConvEmbed(a, b, *((7, 4, 2) if a == 3 else (3, 2, 1)))  # kernel, stride, padding
        for a, b in itertools.pairwise(widths)
    ]


def _block(config: ModelConfig, size: StageSize, reach: Reach) -> Block:
    cvt = config.backbone == "cvt"
    return Block(
        _attention(config, size, reach),
        size.dim,
        round(size.dim * config.mlp_ratio),
        layer_scale=config.layer_scale,
        activation=config.activation,
        eps=1e-5 if cvt else 1e-6,
    )


def _attention(config: ModelConfig, size: StageSize, reach: Reach) -> MixedAttention:
    if config.backbone != "cvt" or config.projection == "linear":
        return SlimAttention(size.dim, size.heads, reach)
    # Cross-attention has no pre-trained statistics to keep, so its norms are trained like those of the head.
    frozen = config.frozen_norms == "all" or (config.frozen_norms == "backbone" and reach != "templates")
    return ConvAttention(size.dim, size.heads, None if config.projection == "conv_ln" else frozen, reach)
