"""Dense corner heads of MixCvT (plain) and MixViT (pyramidal). Each has two equal towers, one for each corner.

As in the official heads, every unit is Conv3x3 with bias, BatchNorm, ReLU; up-sampling repeats pixels.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.models.layers import BatchNorm, at_least_float32, soft_argmax


def _unit(inputs: int, outputs: int, frozen: bool) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), BatchNorm(outputs, frozen), nn.ReLU())


def _chain(*widths: int, frozen: bool) -> nn.Sequential:
    """Build the units from each width to the next."""
    return nn.Sequential(*(_unit(a, b, frozen) for a, b in itertools.pairwise(widths)))


def _up(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=float(factor), mode="nearest")


class CornerTower(nn.Module):
    """Predict the logit map of one corner, as fine as the features: four units of falling width, then a 1x1 layer."""

    def __init__(self, dim: int, width: int, frozen: bool = False) -> None:
        super().__init__()
        self.conv1 = _unit(dim, width, frozen)
        self.conv2 = _unit(width, width // 2, frozen)
        self.conv3 = _unit(width // 2, width // 4, frozen)
        self.conv4 = _unit(width // 4, width // 8, frozen)
        self.conv5 = nn.Conv2d(width // 8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, g, g) -> (B, 1, g, g)."""
        return self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(x)))))  # type: ignore[no-any-return]


class PyramidTower(CornerTower):
    """Predict the logit map of one corner, four times as fine: the same units, up-sampled twice, with side inputs.

    `adjust1` and `adjust2` add the features before the third and fourth unit; `adjust3` and `adjust4` add logits of
    the coarser levels. These end in a ReLU too, so they can only raise a logit (official code).
    """

    def __init__(self, dim: int, width: int, frozen: bool = False) -> None:
        super().__init__(dim, width, frozen)
        self.adjust1 = _unit(dim, width // 2, frozen)
        self.adjust2 = _unit(dim, width // 4, frozen)
        self.adjust3 = _chain(width // 2, width // 4, width // 8, 1, frozen=frozen)
        self.adjust4 = _chain(width // 4, width // 8, 1, frozen=frozen)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, g, g) -> (B, 1, 4g, 4g)."""
        coarse = self.conv2(self.conv1(x))
        middle = self.conv3(_up(coarse, 2) + _up(self.adjust1(x), 2))
        fine = self.conv4(_up(middle, 2) + _up(self.adjust2(x), 4))
        return self.conv5(fine) + _up(self.adjust3(coarse), 4) + _up(self.adjust4(middle), 2)  # type: ignore[no-any-return]


class CornerHead(nn.Module):
    """A corner head: two towers of one kind. Each corner is the expected position under the softmax of its map."""

    def __init__(self, tl: CornerTower, br: CornerTower) -> None:
        super().__init__()
        self.tl = tl
        self.br = br

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the box from search features (B, C, g, g).

        Returns:
            Corners (B, 4) xyxy as fractions of the crop, below 1, and the logits (B, 2, positions * positions):
            top-left, then bottom-right, row-major.
        """
        maps = torch.cat([self.tl(features), self.br(features)], 1)
        corners = [soft_argmax(marginal) for corner in (0, 1) for marginal in log_marginals(maps[:, corner])]
        return torch.stack(corners, 1), maps.flatten(2)


def log_marginals(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the log-probabilities of columns and of rows under a softmax over a map.

    Args:
        logits: (B, H, W).

    Returns:
        (B, W) summed over rows and (B, H) summed over columns, not normalized; float32 or float64.
    """
    logits = at_least_float32(logits)
    return logits.logsumexp(1), logits.logsumexp(2)
