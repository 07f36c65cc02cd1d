"""Small layers and tables that the backbones and heads share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def activate(x: Tensor, activation: str) -> Tensor:
    """Apply the exact GELU, or "quick_gelu": x * sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x) if activation == "quick_gelu" else F.gelu(x)


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, hidden: int, activation: str = "gelu") -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return self.fc2(activate(self.fc1(x), self.activation))  # type: ignore[no-any-return]


class MapNorm(nn.LayerNorm):
    """Layer norm over the channels of a map."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = x if self.weight is None else x.to(self.weight.dtype)  # a convolution before it may be in half precision
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class BatchNorm(nn.Module):
    """A batch norm of a map, frozen or trained; the state dict is the same.

    If frozen, its statistics, scale and shift are constants, even in training mode. Batches are not counted: official
    checkpoints of unfrozen heads hold such counters, but nothing reads them.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, dim: int, frozen: bool, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.frozen, self.momentum, self.eps = frozen, momentum, eps
        for name, value in (("weight", torch.ones(dim)), ("bias", torch.zeros(dim))):
            if frozen:
                self.register_buffer(name, value)
            else:
                self.register_parameter(name, nn.Parameter(value))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        learns = self.training and not self.frozen
        # If a single map's gradient comes from tokens, PyTorch's CPU kernel mistakes its memory layout and returns
        # wrong numbers (seen with 2.13). A flattened map has only one layout.
        flat = x.flatten(2) if x.shape[0] == 1 else x
        return F.batch_norm(
            flat, self.running_mean, self.running_var, self.weight, self.bias, learns, self.momentum, self.eps
        ).view_as(x)


def pick(x: Tensor, index: Tensor) -> Tensor:
    """Pick rows of x (B, N, C) by their index (B, K); returns (B, K, C)."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))


def sincos_table(dim: int, grid: int, frequencies: Literal["float32", "float64"] = "float32") -> Tensor:
    """Compute the fixed 2-D sine-cosine position table.

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


def resize_table(table: Tensor, grid: int, mode: Literal["bicubic", "bilinear"] = "bicubic") -> Tensor:
    """Interpolate a square position table to another grid.

    Args:
        table: (1, n * n, dim).
        grid: side of the new grid.
        mode: "bicubic", smoothed first if the new grid is coarser; "bilinear" as in the journal paper (section 3.3).

    Returns:
        (1, grid * grid, dim).
    """
    _, count, dim = table.shape
    side = round(count**0.5)
    if side == grid:
        return table.clone()
    image = table.reshape(1, side, side, dim).permute(0, 3, 1, 2)
    smooth = mode == "bicubic" and side > grid
    image = F.interpolate(image, size=(grid, grid), mode=mode, align_corners=False, antialias=smooth)
    return image.permute(0, 2, 3, 1).reshape(1, grid * grid, dim)


def tokens_of(maps: Tensor) -> Tensor:
    """Reshape maps (B, C, g, g) to tokens (B, g * g, C), row-major."""
    return maps.flatten(2).transpose(1, 2)


def maps_of(tokens: Tensor, grid: int) -> Tensor:
    """Reshape tokens (B, n * g * g, C) of n maps to maps (B, n, C, g, g)."""
    batch, _, dim = tokens.shape
    return tokens.reshape(batch, -1, grid, grid, dim).permute(0, 1, 4, 2, 3)


def at_least_float32(x: Tensor) -> Tensor:
    """Convert values to float32, since half precision is too coarse for boxes; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


def soft_argmax(logits: Tensor) -> Tensor:
    """Compute the expected position over bins, as a fraction of the crop.

    Bin k counts as its left edge k / bins, so the result stays below 1 (official convention in every head).

    Args:
        logits: (..., bins).

    Returns:
        (...,) in [0, 1 - 1 / bins].
    """
    bins = logits.shape[-1]
    position = torch.arange(bins, device=logits.device, dtype=logits.dtype) / bins
    return (logits.softmax(-1) * position).sum(-1)
