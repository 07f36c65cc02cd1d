"""Score prediction module of the first MixFormer papers (journal paper, section 3.5)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.models.attention import KVCache, attend, split_heads
from mixformer.models.layers import maps_of, tokens_of

_POOL = 4  # bins along each side of the pooled box


class ScorePrediction(nn.Module):
    """A score token attends to the pooled box in the search map, then to the static template; an MLP reads it.

    There are no residuals, no feed-forward layers and no online templates. The scale is 1 / sqrt(C) with the whole
    width C, for every backbone.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.norm = nn.LayerNorm(dim)
        self.cross_attentions = nn.ModuleList([CrossAttention(dim, heads), CrossAttention(dim, heads)])
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise((dim, dim, dim, 1)))

    def forward(self, search: Tensor, template: Tensor, corners: Tensor) -> Tensor:
        """Score a box.

        Args:
            search: search tokens (B, s' * s', C).
            template: static template tokens (B, t' * t', C).
            corners: the box, (B, 4) xyxy as fractions of the crop; a box without area pools zeros.

        Returns:
            (B,) logits.
        """
        grid = round(search.shape[1] ** 0.5)
        x = self.norm(self.token.expand(search.shape[0], -1, -1))
        pooled = tokens_of(precise_roi_pool(maps_of(search, grid)[:, 0], corners * grid, _POOL))
        for attention, memory in zip(self.cross_attentions, (pooled, template), strict=True):
            x = attention(x, memory)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)[:, 0, 0]  # type: ignore[no-any-return]


class AttentionLayers(nn.Module):
    """The layers of attention between two sets of tokens, and the norm after it."""

    def __init__(self, dim: int, heads: int, scale: float) -> None:
        super().__init__()
        self.heads, self.scale = heads, scale
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def mix(self, asking: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend from tokens (B, n, C) to others (B, m, C), which may have positions in the keys; returns (B, n, C)."""
        memory = KVCache(split_heads(self.key(keys), self.heads), split_heads(self.value(values), self.heads))
        return self.proj(attend(split_heads(self.query(asking), self.heads), memory, self.scale))  # type: ignore[no-any-return]


class CrossAttention(AttentionLayers):
    """Attention from one set of tokens to another, then a norm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads, dim**-0.5)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """(B, n, C) attends to (B, m, C) -> (B, n, C)."""
        return self.norm(self.mix(x, memory, memory))  # type: ignore[no-any-return]


def precise_roi_pool(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Compute the exact mean of the bilinearly interpolated features over each bin of a box.

    This is precise RoI pooling (Jiang et al., IoU-Net, ECCV 2018) as two small matrix products. Pixel (i, j) is at
    the coordinate (i, j), and beyond the map the features are 0. The bilinear kernel is a product of two hat functions,
    so the mean over a bin is `rows @ features @ columns^T`, with the mean of each hat over each bin as weights. The
    result has gradients for the features and for the boxes, on every device.

    Args:
        features: (B, C, H, W).
        boxes: (B, 4) xyxy in units of the map's pixels, one for each item.
        size: bins along each side.

    Returns:
        (B, C, size, size); 0 for a box without area.
    """
    height, width = features.shape[2:]
    columns = _mean_hats(boxes[:, 0], boxes[:, 2], size, width).to(features.dtype)
    rows = _mean_hats(boxes[:, 1], boxes[:, 3], size, height).to(features.dtype)
    return torch.einsum("bih,bchw,bjw->bcij", rows, features, columns)


def _mean_hats(start: Tensor, end: Tensor, bins: int, count: int) -> Tensor:
    """Average the hat max(0, 1 - |t - k|) around each k < count over each bin of [start, end]: (B, bins, count).

    Left and right of its peak the hat is a line, so its integral is the length times the value in the middle. This is
    exact, and free of the cancellation that a difference of antiderivatives would have.
    """
    step = (end - start).clamp(min=0) / bins  # (B,)
    edges = start[:, None] + step[:, None] * torch.arange(bins + 1, device=start.device, dtype=start.dtype)
    low, high = edges[:, :-1, None], edges[:, 1:, None]
    peak = torch.arange(count, device=start.device, dtype=start.dtype)
    area = torch.zeros((), device=start.device, dtype=start.dtype)
    for side in (-1, 0):  # from k - 1 to k, then from k to k + 1
        left, right = low.clamp(peak + side, peak + side + 1), high.clamp(peak + side, peak + side + 1)
        area = area + (right - left) * (1 - ((left + right) / 2 - peak).abs())
    length = step[:, None, None]
    empty = ~(length > 0)  # `where` would copy its number to the GPU, which a CUDA graph cannot record
    return (area / length.masked_fill(empty, 1)).masked_fill(empty, 0)
