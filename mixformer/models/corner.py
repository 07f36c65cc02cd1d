"""Dense corner heads of MixViT: plain and pyramidal."""

from __future__ import annotations

from torch import nn

from mixformer.config import ModelConfig


def build_corner_head(config: ModelConfig) -> nn.Module:
    """The dense head that `config.head` names."""
    raise NotImplementedError
