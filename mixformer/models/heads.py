"""Box and score heads on the prediction tokens of MixFormerV2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def soft_argmax(logits: Tensor) -> Tensor:
    """Expected position over bins, as a fraction of the crop.

    Bin k stands for its left edge k / bins, so the result stays below 1 (official convention in every head).

    Args:
        logits: (..., bins).

    Returns:
        (...,) in [0, 1 - 1 / bins].
    """
    bins = logits.shape[-1]
    position = torch.arange(bins, device=logits.device, dtype=logits.dtype) / bins
    return (logits.softmax(-1) * position).sum(-1)


class TokenHead(nn.Module):
    """Distribution of each box edge over bins, from one MLP shared by the four tokens (MixFormerV2, section 3.1).

    Linear, LayerNorm, ReLU, Linear, and a LayerNorm on the logits, which is in the official code but not in the paper.
    """

    def __init__(self, dim: int, bins: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, dim)
        self.hidden_norm = nn.LayerNorm(dim)
        self.bins = nn.Linear(dim, bins)
        self.bins_norm = nn.LayerNorm(bins)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, 4, C) in the order left, right, top, bottom.

        Returns:
            Corners (B, 4) xyxy as fractions of the crop, and the logits (B, 4, bins) in token order.
        """
        logits = self.bins_norm(self.bins(F.relu(self.hidden_norm(self.hidden(tokens)))))
        left, right, top, bottom = soft_argmax(logits.float() if logits.dtype != torch.float64 else logits).unbind(1)
        return torch.stack([left, top, right, bottom], 1), logits


class TokenScore(nn.Module):
    """Score logit: an MLP on each prediction token, the four logits averaged (official code)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, 4, C) -> (B,) logits."""
        return self.out(F.relu(self.hidden(tokens))).squeeze(-1).mean(1)  # type: ignore[no-any-return]
