"""Mixed attention on tokens. Its two classes make queries, keys and values in different ways.

Templates attend to templates; search and prediction tokens attend to all tokens. Templates never attend to the search
region, so attention splits exactly into `remember` (templates) and `locate` (search). In the symmetric form, `mix`, all
tokens attend to all. With a `Reach` other than "all", it is plain self-attention or cross-attention.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.configs.model import Reach
from mixformer.models.layers import BatchNorm, MapNorm, maps_of, tokens_of


class KVCache(NamedTuple):
    """Keys and values of some tokens in one block, each (B, heads, T, head_dim).

    Example:
        >>> import torch
        >>> from mixformer.models import KVCache
        >>> one = KVCache(torch.zeros(1, 2, 5, 16), torch.zeros(1, 2, 5, 16))
        >>> one.concat(one).keys.shape
        torch.Size([1, 2, 10, 16])
    """

    keys: Tensor
    values: Tensor

    def concat(self, other: KVCache) -> KVCache:
        """Return these keys and values, followed by those of `other`."""
        return KVCache(torch.cat([self.keys, other.keys], 2), torch.cat([self.values, other.values], 2))


class StaticKVCache:
    """Keys and values of templates with free space behind them, for an engine that repeats one step.

    Each search step writes its keys and values into this space, so nothing is allocated and addresses stay the same.
    Only for inference.
    """

    def __init__(self, kept: KVCache) -> None:
        """Copy the keys and values. The first `concat` allocates the space, when its size is known."""
        self._kept = KVCache(kept.keys.clone(), kept.values.clone())
        self._all: KVCache | None = None

    @property
    def keys(self) -> Tensor:
        """The templates' keys, to be overwritten in place."""
        return self._kept.keys

    @property
    def values(self) -> Tensor:
        """The templates' values, to be overwritten in place."""
        return self._kept.values

    def concat(self, own: KVCache) -> KVCache:
        """Return the templates' keys and values, followed by `own`. The next call overwrites the result."""
        count = self._kept.keys.shape[2]
        if self._all is None:
            self._all = self._kept.concat(own)
            self._kept = KVCache(*(part[:, :, :count] for part in self._all))
        for part, new in zip(self._all, own, strict=True):
            part[:, :, count:].copy_(new)
        return self._all


class TokenLayout(NamedTuple):
    """Order of tokens in a sequence: square maps one after the other, then prediction tokens.

    Attributes:
        grid: side of a map in tokens.
        extra: prediction tokens at the end.
    """

    grid: int
    extra: int = 0


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, C) -> (B, heads, N, C / heads)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def attend(queries: Tensor, memory: KVCache, scale: float) -> Tensor:
    """Compute softmax(q k^T * scale) v over (B, heads, N, d); returns (B, Nq, heads * d).

    Training on a CPU avoids the fused kernel, whose backward pass is about half as fast there.
    """
    keys, values = memory
    if queries.device.type == "cpu" and torch.is_grad_enabled() and queries.requires_grad:
        mixed = attention_weights(queries, keys, scale).to(values.dtype) @ values
    else:
        mixed = F.scaled_dot_product_attention(queries, keys, values, scale=scale)
    return mixed.transpose(1, 2).flatten(2)


def attention_weights(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """Compute softmax(q k^T * scale), (B, heads, Nq, Nk)."""
    logits: Tensor = (queries * scale) @ keys.transpose(-1, -2)
    return logits.softmax(-1)


@torch.no_grad()
def most_attended(queries: Tensor, keys: Tensor, scale: float, extra: int, count: int) -> Tensor:
    """Choose the search tokens that the prediction tokens attend to most.

    Attention is averaged over the heads; of the prediction tokens, the one that attends most counts.

    Args:
        queries: of search tokens and prediction tokens, (B, heads, S + E, d).
        keys: of templates, search tokens and prediction tokens, (B, heads, T + S + E, d).
        scale: factor of the products.
        extra: number E of prediction tokens.
        count: how many to keep.

    Returns:
        (B, count) indices of search tokens from 0, in rising order.
    """
    weights = attention_weights(queries[:, :, -extra:].float(), keys.float(), scale).mean(1).amax(1)
    templates = keys.shape[2] - queries.shape[2]
    return weights[:, templates:-extra].topk(count, 1).indices.sort(1).values


class MixedAttention(nn.Module):
    """Multi-head attention of tokens to themselves and to remembered keys and values.

    A subclass computes queries (`project_queries`) and keys and values (`project_keys`), or both at once (`project`).
    All take tokens (B, N, C) and return (B, heads, N or fewer, C / heads).
    """

    def __init__(self, dim: int, heads: int, scale: float, reach: Reach = "all") -> None:
        super().__init__()
        self.heads, self.scale, self.reach = heads, scale, reach
        self.proj = nn.Linear(dim, dim)

    def project_queries(self, x: Tensor, layout: TokenLayout, last: int | None = None) -> Tensor:
        """Compute the queries of all tokens, or of the last ones only."""
        raise NotImplementedError

    def project_keys(self, x: Tensor, layout: TokenLayout) -> KVCache:
        """Compute keys and values only, which is all that the last block needs of the templates."""
        raise NotImplementedError

    def project(self, x: Tensor, layout: TokenLayout) -> tuple[Tensor, KVCache]:
        """Compute queries, keys and values."""
        return self.project_queries(x, layout), self.project_keys(x, layout)

    def remember(self, x: Tensor, layout: TokenLayout) -> tuple[Tensor, KVCache]:
        """Mix template tokens (B, T, C); also return the keys and values that search steps read."""
        queries, memory = self.project(x, layout)
        return self._merge(queries, memory), memory

    def locate(
        self,
        x: Tensor,
        layout: TokenLayout,
        memory: KVCache | StaticKVCache | None,
        last: int | None = None,
        keep: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Mix search tokens (B, S, C) with remembered templates.

        Args:
            x: search tokens, prediction tokens at the end.
            layout: their order.
            memory: keys and values of the templates; None if search tokens attend only to themselves.
            last: compute only this many tokens at the end; None computes all. The result is the same, since each output
                row depends on its own query only.
            keep: compute only the prediction tokens and this many others: see `most_attended`.

        Returns:
            The mixed tokens, and the places (B, keep) of the search tokens among them; None without `keep`.
        """
        if self.reach == "templates":
            kept = cast(KVCache, memory)
            return self._merge(self.project_queries(x, layout, last), KVCache(kept.keys, kept.values)), None
        if last is None:
            queries, own = self.project(x, layout)
        else:
            queries, own = self.project_queries(x, layout, last), self.project_keys(x, layout)
        known = own if self.reach == "self" or memory is None else memory.concat(own)
        if keep is None:
            return self._merge(queries, known), None
        places = most_attended(queries, known.keys, self.scale, layout.extra, keep)
        rows = places[:, None, :, None].expand(-1, queries.shape[1], -1, queries.shape[3])
        queries = torch.cat([queries.gather(2, rows), queries[:, :, -layout.extra :]], 2)
        return self._merge(queries, known), places

    def mix(self, templates: Tensor, search: Tensor, layouts: tuple[TokenLayout, TokenLayout]) -> tuple[Tensor, Tensor]:
        """Mix with symmetric attention: template and search tokens attend to all tokens that this block reaches."""
        q_template, kv_template = self.project(templates, layouts[0])
        q_search, kv_search = self.project(search, layouts[1])
        if self.reach != "all":
            seen = (kv_template, kv_search) if self.reach == "self" else (kv_search, kv_template)
            return self._merge(q_template, seen[0]), self._merge(q_search, seen[1])
        memory = kv_template.concat(kv_search)
        return self._merge(q_template, memory), self._merge(q_search, memory)

    def _merge(self, queries: Tensor, memory: KVCache) -> Tensor:
        return self.proj(attend(queries, memory, self.scale))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return split_heads(x, self.heads)


class SlimAttention(MixedAttention):
    """S-MAM and P-MAM (MixViT, MixFormerV2): linear projections, and the scale 1 / sqrt(head width)."""

    def __init__(self, dim: int, heads: int, reach: Reach = "all") -> None:
        super().__init__(dim, heads, (dim // heads) ** -0.5, reach)
        self.qkv = nn.Linear(dim, 3 * dim)

    def project(self, x: Tensor, layout: TokenLayout) -> tuple[Tensor, KVCache]:
        """Compute queries, keys and values by one matrix product."""
        batch, count, _ = x.shape
        q, k, v = self.qkv(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, KVCache(k, v)

    def project_keys(self, x: Tensor, layout: TokenLayout) -> KVCache:
        """Compute keys and values by one matrix product."""
        batch, count, dim = x.shape
        weight, bias = self.qkv.weight[dim:], self.qkv.bias[dim:]
        k, v = F.linear(x.to(weight.dtype), weight, bias).view(batch, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return KVCache(k, v)

    def project_queries(self, x: Tensor, layout: TokenLayout, last: int | None = None) -> Tensor:
        """Compute the queries of all tokens, or of the last ones only."""
        dim = x.shape[2]
        rows = (x if last is None else x[:, -last:]).to(self.qkv.weight.dtype)
        return self._split(F.linear(rows, self.qkv.weight[:dim], self.qkv.bias[:dim]))


class ConvAttention(MixedAttention):
    """W-MAM (MixCvT): depth-wise 3x3 convolution and batch norm on each map, then a linear layer.

    Keys and values are computed for every second row and column only. Each map is convolved by itself, padded with
    zeros; prediction tokens skip the convolution. The scale is 1 / sqrt(C) with the whole width C, as in CvT.
    """

    def __init__(self, dim: int, heads: int, frozen_norm: bool | None, reach: Reach = "all") -> None:
        super().__init__(dim, heads, dim**-0.5, reach)
        self.query_conv = DepthwiseConv(dim, 1, frozen_norm)
        self.key_conv = DepthwiseConv(dim, 2, frozen_norm)
        self.value_conv = DepthwiseConv(dim, 2, frozen_norm)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)

    def project_queries(self, x: Tensor, layout: TokenLayout, last: int | None = None) -> Tensor:
        """Compute the queries of all tokens, or of the last ones only (which must be prediction tokens)."""
        rows = self.query_conv(x, layout) if last is None else x[:, -last:]
        return self._split(self.query(rows))

    def project_keys(self, x: Tensor, layout: TokenLayout) -> KVCache:
        """Compute keys and values: one for every four tokens of the maps, and one for each prediction token."""
        keys, values = self.key(self.key_conv(x, layout)), self.value(self.value_conv(x, layout))
        return KVCache(self._split(keys), self._split(values))


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of each channel of each map, then a batch norm, or a layer norm if `frozen_norm` is None."""

    def __init__(self, dim: int, stride: int, frozen_norm: bool | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, stride, 1, groups=dim, bias=False)
        self.norm = MapNorm(dim) if frozen_norm is None else BatchNorm(dim, frozen_norm)

    def forward(self, x: Tensor, layout: TokenLayout) -> Tensor:
        """(B, n * g * g + E, C) -> (B, n * g' * g' + E, C)."""
        body = x[:, : x.shape[1] - layout.extra]
        maps = self.norm(self.conv(maps_of(body, layout.grid).flatten(0, 1)))
        tokens = tokens_of(maps).reshape(x.shape[0], -1, x.shape[2])
        return torch.cat([tokens, x[:, x.shape[1] - layout.extra :]], 1) if layout.extra else tokens
