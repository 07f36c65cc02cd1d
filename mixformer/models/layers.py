"""Small layers and tables that the backbones share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


def sincos_table(dim: int, grid: int, frequencies: Literal["float32", "float64"] = "float32") -> Tensor:
    """Fixed 2-D sine-cosine position table.

    The first half of the channels encodes the column, the second the row; each half is sines then cosines of
    `index * 10000 ** (-i / (dim / 4))`. MixFormerV2 computes the frequencies in float32, MixViT in float64; the two
    differ by up to 3e-6.

    Returns:
        (1, grid * grid, dim) float32, row-major.
    """
    dtype = torch.float32 if frequencies == "float32" else torch.float64
    quarter = dim // 4
    omega = 1.0 / 10000 ** (torch.arange(quarter, dtype=dtype) / quarter)
    angle = torch.arange(grid, dtype=dtype)[:, None] * omega
    line = torch.cat([angle.sin(), angle.cos()], 1)  # (grid, dim / 2)
    column = line[None].expand(grid, grid, -1)
    row = line[:, None].expand(grid, grid, -1)
    return torch.cat([column, row], -1).reshape(1, grid * grid, dim).float()


def resize_table(table: Tensor, grid: int) -> Tensor:
    """Bicubic interpolation of a square position table to another grid.

    Args:
        table: (1, n * n, dim).
        grid: wanted side.

    Returns:
        (1, grid * grid, dim).
    """
    _, count, dim = table.shape
    side = round(count**0.5)
    if side == grid:
        return table.clone()
    image = table.reshape(1, side, side, dim).permute(0, 3, 1, 2)
    image = F.interpolate(image, size=(grid, grid), mode="bicubic", align_corners=False, antialias=side > grid)
    return image.permute(0, 2, 3, 1).reshape(1, grid * grid, dim)
