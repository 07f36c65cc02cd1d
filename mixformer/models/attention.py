"""Mixed attention on tokens (S-MAM and P-MAM) and the transformer block around it.

Templates attend to templates; search and prediction tokens attend to everything. Because templates never look at
the search region, a block splits exactly into `remember` (templates) and `locate` (search).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.models.layers import Mlp


class KeyValue(NamedTuple):
    """Keys and values of the templates in one block, each (B, heads, T, head_dim)."""

    keys: Tensor
    values: Tensor


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over (B, heads, N, d); returns (B, Nq, heads * d).

    Training on a CPU takes the written-out form: the fused kernel's backward pass is about half as fast there.
    """
    if queries.device.type == "cpu" and torch.is_grad_enabled() and queries.requires_grad:
        mixed = attention_weights(queries, keys).to(values.dtype) @ values
    else:
        mixed = F.scaled_dot_product_attention(queries, keys, values)
    return mixed.transpose(1, 2).flatten(2)


def attention_weights(queries: Tensor, keys: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)), (B, heads, Nq, Nk)."""
    logits: Tensor = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
    return logits.softmax(-1)


class MixedAttention(nn.Module):
    """Multi-head attention whose keys and values may be extended by remembered ones."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, C) -> queries, keys, values, each (B, heads, N, C / heads)."""
        batch, count, _ = x.shape
        q, k, v = self.qkv(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    def project_keys(self, x: Tensor) -> KeyValue:
        """Keys and values alone: all that the last block needs of the templates."""
        batch, count, dim = x.shape
        weight, bias = self.qkv.weight[dim:], self.qkv.bias[dim:]
        k, v = F.linear(x, weight, bias).view(batch, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return KeyValue(k, v)

    def project_queries(self, x: Tensor) -> Tensor:
        """Queries alone, (B, N, C) -> (B, heads, N, C / heads)."""
        batch, count, dim = x.shape
        q = F.linear(x, self.qkv.weight[:dim], self.qkv.bias[:dim])
        return q.view(batch, count, self.heads, -1).transpose(1, 2)

    def remember(self, x: Tensor) -> tuple[Tensor, KeyValue]:
        """Mix template tokens (B, T, C); also return the keys and values that search steps read."""
        q, k, v = self.project(x)
        return self.proj(attend(q, k, v)), KeyValue(k, v)

    def locate(self, x: Tensor, memory: KeyValue, last: int | None = None) -> Tensor:
        """Mix search tokens (B, S, C) with remembered templates.

        Args:
            x: search tokens, prediction tokens at the end.
            memory: keys and values of the templates.
            last: compute only this many tokens at the end; None computes all. Exact, since each output row
                depends on its own query only.
        """
        if last is None:
            q, k, v = self.project(x)
        else:
            q, (k, v) = self.project_queries(x[:, -last:]), self.project_keys(x)
        keys, values = torch.cat([memory.keys, k], 2), torch.cat([memory.values, v], 2)
        return self.proj(attend(q, keys, values))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm transformer block with optional LayerScale.

    `scale` arguments multiply the two residual branches, (2, B) or None for 1: stochastic depth in training and
    the progressive depth pruning of MixFormerV2 (section 3.3) are both such a factor.
    """

    def __init__(self, dim: int, heads: int, hidden: int, layer_scale: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = MixedAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, hidden)
        self.scale1 = nn.Parameter(torch.ones(dim)) if layer_scale else None
        self.scale2 = nn.Parameter(torch.ones(dim)) if layer_scale else None

    def remember(self, x: Tensor, scale: Tensor | None = None) -> tuple[Tensor, KeyValue]:
        """Template tokens (B, T, C) -> new tokens and the block's keys and values."""
        mixed, memory = self.attn.remember(self.norm1(x))
        return self._finish(x, mixed, scale), memory

    def remember_keys(self, x: Tensor) -> KeyValue:
        """Keys and values only, for the last block."""
        return self.attn.project_keys(self.norm1(x))

    def locate(self, x: Tensor, memory: KeyValue, scale: Tensor | None = None, last: int | None = None) -> Tensor:
        """Search tokens (B, S, C) -> (B, S, C), or (B, last, C) if only the last tokens are wanted."""
        mixed = self.attn.locate(self.norm1(x), memory, last)
        return self._finish(x if last is None else x[:, -last:], mixed, scale)

    def _finish(self, x: Tensor, mixed: Tensor, scale: Tensor | None) -> Tensor:
        x = x + _branch(mixed, self.scale1, None if scale is None else scale[0])
        return x + _branch(self.mlp(self.norm2(x)), self.scale2, None if scale is None else scale[1])


def _branch(x: Tensor, layer_scale: Tensor | None, factor: Tensor | None) -> Tensor:
    if layer_scale is not None:
        x = x * layer_scale
    return x if factor is None else x * factor.view(-1, 1, 1).to(x.dtype)
