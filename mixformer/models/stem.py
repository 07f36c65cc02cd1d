"""Embeddings: they turn an image, or the map of the stage before, into the map of a stage's tokens."""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from mixformer.models.layers import MapNorm


class ConvEmbed(nn.Module):
    """A convolution, a layer norm and an optional GELU."""

    def __init__(
        self, inputs: int, dim: int, kernel: int, stride: int, padding: int = 0, *, gelu: bool = False
    ) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, dim, kernel, stride, padding)
        self.norm = MapNorm(dim)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', h, w) -> (B, C, h / stride, w / stride)."""
        x = self.norm(self.proj(x))
        return F.gelu(x) if self.gelu else x


class ConvMlp(nn.Module):
    """The MLP of a transformer block as 1x1 convolutions."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """ConvMAE's convolutional block: a 5x5 depth-wise convolution replaces attention."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = MapNorm(dim)
        self.conv1 = nn.Conv2d(dim, dim, 1)
        self.mix = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.conv2 = nn.Conv2d(dim, dim, 1)
        self.norm2 = MapNorm(dim)
        self.mlp = ConvMlp(dim, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        x = x + self.conv2(self.mix(self.conv1(self.norm1(x))))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class ConvStem(nn.Module):
    """ConvMAE's first stages: embeddings of stride 4, then 2, with blocks between them, then a linear layer."""

    def __init__(self, dims: tuple[int, ...], depths: tuple[int, ...], mlp_ratio: float) -> None:
        """Build the stages.

        Args:
            dims: width after each embedding; the last is the width of the transformer.
            depths: number of blocks after each embedding but the last.
            mlp_ratio: hidden width of a block's MLP in units of the block's width.
        """
        super().__init__()
        self.embeds = nn.ModuleList(
            ConvEmbed(a, b, stride, stride, gelu=True)
            for (a, b), stride in zip(itertools.pairwise((3, *dims)), (4, *[2] * len(depths)), strict=True)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ConvBlock(dim, round(dim * mlp_ratio)) for _ in range(depth)))
            for dim, depth in zip(dims, depths, strict=False)
        )
        self.proj = nn.Linear(dims[-1], dims[-1])

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, C, h / 16, w / 16)."""
        x = self.embeds[0](image)
        for blocks, embed in zip(self.blocks, self.embeds[1:], strict=True):
            x = embed(blocks(x))
        return self.proj(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class DecoderEmbed(nn.Module):
    """The encoder's final norm and the linear layer to the width of an MAE decoder."""

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs, eps=1e-6)
        self.proj = nn.Linear(inputs, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', h, w) -> (B, C, h, w)."""
        return self.proj(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)  # type: ignore[no-any-return]
