"""Numbers as colors over a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixformer.types import Image

# Black, violet, red, yellow, white: equal steps look equal, and the brightness alone carries the order.
_ANCHORS = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51), (249, 140, 10),
    (249, 201, 50), (252, 255, 164),
)  # fmt: skip
EVEN = 4
"""How many times their mean values must reach for the whole range of colors."""


def colors(values: NDArray[np.floating]) -> Image:
    """Values (...) from 0 to 1 as RGB uint8 (..., 3); others are clipped."""
    anchors = np.array(_ANCHORS, float)
    places = np.linspace(0, 1, len(anchors))
    channels = [np.interp(np.clip(values, 0, 1), places, anchors[:, c]) for c in range(3)]
    rgb: Image = np.rint(np.stack(channels, -1)).astype(np.uint8)
    return rgb


def scaled(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shares (not negative) as heat from 0 to 1, where 1 is their largest, or `EVEN` times their mean if that is more.

    Shares that are nearly equal would otherwise all be near 1, and hide the picture under them.
    """
    return values.astype(float) / max(float(values.max()), EVEN * float(values.mean()), 1e-12)


def spread(values: NDArray[np.floating], centers: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Values on a grid, bilinearly on pixels.

    Args:
        values: (g, g).
        centers: (g,) positions of the grid's rows and columns as fractions of the picture; it is constant beyond.
        size: side of the picture in pixels.

    Returns:
        (size, size).
    """
    pixels = (np.arange(size) + 0.5) / size
    across = np.stack([np.interp(pixels, centers, one) for one in np.eye(len(centers))], 1)
    result: NDArray[np.float64] = across @ values.astype(float) @ across.T
    return result


def overlay(picture: Image, heat: NDArray[np.floating]) -> Image:
    """Heat (h, w) from 0 to 1 as light on the dimmed gray picture (h, w, 3): without heat it stays dim gray."""
    gray = 0.5 * picture.mean(2, keepdims=True)
    lit: Image = np.rint(255 - (255 - gray) * (255 - colors(heat).astype(float)) / 255).astype(np.uint8)
    return lit


def dim(picture: Image, lit: NDArray[np.bool_]) -> Image:
    """The picture (h, w, 3), dark where `lit` (h, w) is false."""
    dimmed: Image = np.where(lit[..., None], picture, picture // 4)
    return dimmed
