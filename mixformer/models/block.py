"""The transformer block of every backbone, around a mixed attention."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from mixformer.models.attention import KVCache, MixedAttention, StaticKVCache, TokenLayout
from mixformer.models.layers import Mlp, pick


class Block(nn.Module):
    """Pre-norm transformer block with optional LayerScale.

    `scale` arguments are factors (2, B) on the two residual branches; None means 1. Stochastic depth uses them, and so
    does the progressive depth pruning of the official MixFormerV2 code. With three factors (3, B), the third multiplies
    all that the block adds while the MLP still sees the whole attention: the pruning of the paper (equation 8).
    """

    def __init__(
        self,
        attention: MixedAttention,
        dim: int,
        hidden: int,
        *,
        layer_scale: bool = False,
        activation: str = "gelu",
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = attention
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, hidden, activation)
        self.scale1 = nn.Parameter(torch.ones(dim)) if layer_scale else None
        self.scale2 = nn.Parameter(torch.ones(dim)) if layer_scale else None

    def remember(self, x: Tensor, layout: TokenLayout, scale: Tensor | None = None) -> tuple[Tensor, KVCache]:
        """Encode template tokens (B, T, C); returns new tokens, and the block's keys and values.

        In a block of cross-attention, templates stay unchanged.
        """
        if self.attn.reach == "templates":
            return x, self.remember_keys(x, layout)
        mixed, memory = self.attn.remember(self.norm1(x), layout)
        return self._finish(x, mixed, scale), memory

    def remember_keys(self, x: Tensor, layout: TokenLayout) -> KVCache:
        """Compute keys and values only, for the last block."""
        return self.attn.project_keys(self.norm1(x), layout)

    def locate(
        self,
        x: Tensor,
        layout: TokenLayout,
        memory: KVCache | StaticKVCache | None,
        scale: Tensor | None = None,
        last: int | None = None,
        keep: int | None = None,
    ) -> Tensor:
        """Encode search tokens (B, S, C); returns (B, S, C), or (B, last, C) for only the last tokens.

        With `keep`, all prediction tokens and this many others stay: see `most_attended`.
        """
        mixed, places = self.attn.locate(self.norm1(x), layout, memory, last, keep)
        if places is not None:
            x = torch.cat([pick(x, places), x[:, -layout.extra :]], 1)
        return self._finish(x if last is None else x[:, -last:], mixed, scale)

    def kept(self, x: Tensor, layout: TokenLayout, memory: KVCache | StaticKVCache, keep: int) -> Tensor:
        """Choose the places (B, keep) of the tokens that `locate` keeps."""
        _, places = self.attn.locate(self.norm1(x), layout, memory, keep=keep)
        return cast(Tensor, places)

    def mix(
        self, templates: Tensor, search: Tensor, layouts: tuple[TokenLayout, TokenLayout], scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode template and search tokens with symmetric attention: all attend to all that the block reaches."""
        mixed = self.attn.mix(self.norm1(templates), self.norm1(search), layouts)
        return self._finish(templates, mixed[0], scale), self._finish(search, mixed[1], scale)

    def _finish(self, x: Tensor, mixed: Tensor, scale: Tensor | None) -> Tensor:
        before = x
        x = x + _branch(mixed, self.scale1, None if scale is None else scale[0])
        x = x + _branch(self.mlp(self.norm2(x)), self.scale2, None if scale is None else scale[1])
        if scale is None or len(scale) == 2:
            return x
        return torch.lerp(before.to(x.dtype), x, scale[2].view(-1, 1, 1).to(x.dtype))  # exact where it is 0 or 1


def _branch(x: Tensor, layer_scale: Tensor | None, factor: Tensor | None) -> Tensor:
    if layer_scale is not None:
        x = x * layer_scale
    return x if factor is None else x * factor.view(-1, 1, 1).to(x.dtype)
