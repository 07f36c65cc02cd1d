"""Score prediction module of the first MixFormer papers (journal paper, section 3.5; spec 2.6)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.models.attention import KVCache, attend
from mixformer.models.layers import maps_of, tokens_of
from mixformer.models.roi import precise_roi_pool

_POOL = 4  # bins along each side of the pooled box


class ScorePrediction(nn.Module):
    """A score token looks at the pooled box in the search map, then at the static template; an MLP reads it.

    No residuals and no feed-forward layers. Online templates are never looked at. The scale is 1 / sqrt(C), the whole
    width, for every backbone.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.norm = nn.LayerNorm(dim)
        self.looks = nn.ModuleList([CrossAttention(dim, heads), CrossAttention(dim, heads)])
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise((dim, dim, dim, 1)))

    def forward(self, search: Tensor, template: Tensor, corners: Tensor) -> Tensor:
        """Score a box.

        Args:
            search: search tokens (B, s' * s', C).
            template: static template tokens (B, t' * t', C).
            corners: the box, (B, 4) xyxy as fractions of the crop; one without area pools zeros.

        Returns:
            (B,) logits.
        """
        grid = round(search.shape[1] ** 0.5)
        x = self.norm(self.token.expand(search.shape[0], -1, -1))
        pooled = tokens_of(precise_roi_pool(maps_of(search, grid)[:, 0], corners * grid, _POOL))
        for look, memory in zip(self.looks, (pooled, template), strict=True):
            x = look(x, memory)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)[:, 0, 0]  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """Attention from one set of tokens to another, then a norm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, dim**-0.5
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """(B, n, C) looking at (B, m, C) -> (B, n, C)."""
        memory_kv = KVCache(self._split(self.key(memory)), self._split(self.value(memory)))
        return self.norm(self.proj(attend(self._split(self.query(x)), memory_kv, self.scale)))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
