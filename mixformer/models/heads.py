"""Box and score heads on prediction tokens, from MixFormerV2, and the query head of the journal paper."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.imaging.boxes import cxcywh_to_xyxy
from mixformer.models.layers import at_least_float32, soft_argmax


class TokenHead(nn.Module):
    """Predict a distribution of each box edge over bins, by one MLP for the four tokens (MixFormerV2, section 3.1).

    The MLP is Linear, LayerNorm, ReLU, Linear, LayerNorm. The last norm is in the official code, not in the paper.
    """

    def __init__(self, dim: int, bins: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, dim)
        self.hidden_norm = nn.LayerNorm(dim)
        self.bins = nn.Linear(dim, bins)
        self.bins_norm = nn.LayerNorm(bins)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the box from tokens (B, 4, C) in the order left, right, top, bottom.

        Returns:
            Corners (B, 4) xyxy as fractions of the crop, and the logits (B, 4, bins) in token order.
        """
        logits = self.logits(tokens)
        return _corners(logits), logits

    def logits(self, tokens: Tensor) -> Tensor:
        """(B, n, C) -> (B, n, bins)."""
        return self.bins_norm(self.bins(F.relu(self.hidden_norm(self.hidden(tokens)))))  # type: ignore[no-any-return]


class FourMlpHead(nn.Module):
    """Predict the distributions of `TokenHead` by four MLPs, one for each edge (MixFormerV2 supplement, table 2a)."""

    def __init__(self, dim: int, bins: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(TokenHead(dim, bins) for _ in range(4))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the box from four tokens (B, 4, C), or from one for all edges (B, 1, C); see `TokenHead.forward`."""
        each = tokens.expand(-1, 4, -1).split(1, 1)
        logits = torch.cat([cast(TokenHead, mlp).logits(x) for mlp, x in zip(self.edges, each, strict=True)], 1)
        return _corners(logits), logits


class QueryHead(nn.Module):
    """Predict the box from one token by three linear layers (journal paper 3.2; "T1" of MixFormerV2, table 3a)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, 4)])

    def forward(self, tokens: Tensor) -> tuple[Tensor, None]:
        """(B, 1, C) -> corners (B, 4) xyxy as fractions of the crop. Center and size are each in (0, 1)."""
        x = tokens[:, 0]
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return cxcywh_to_xyxy(at_least_float32(self.layers[-1](x)).sigmoid()), None


class TokenScore(nn.Module):
    """Predict the score logit by an MLP on the prediction tokens, averaged after it (official code) or before it."""

    def __init__(self, dim: int, *, average_tokens: bool = False) -> None:
        """Build the MLP.

        Args:
            dim: width of the tokens.
            average_tokens: average before the MLP, as the supplement of MixFormerV2 describes it.
        """
        super().__init__()
        self.hidden = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, 1)
        self.average_tokens = average_tokens

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n, C) -> (B,) logits."""
        if self.average_tokens:
            tokens = tokens.mean(1, keepdim=True)
        return self.out(F.relu(self.hidden(tokens))).squeeze(-1).mean(1)  # type: ignore[no-any-return]


def _corners(logits: Tensor) -> Tensor:
    """Convert edge logits (B, 4, bins) in the order left, right, top, bottom to corners xyxy."""
    left, right, top, bottom = soft_argmax(at_least_float32(logits)).unbind(1)
    return torch.stack([left, top, right, bottom], 1)
