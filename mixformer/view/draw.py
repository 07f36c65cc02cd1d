"""The box, its score, its trail and the target's pixels drawn on a frame."""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from mixformer.types import Image, TrackResult

_SURE, _UNSURE = (64, 255, 96), (255, 176, 32)


class Annotator:
    """Draws results and remembers where the target was, for the trail."""

    def __init__(self, trail: int = 30, sure: float = 0.5) -> None:
        """Choose the look.

        Args:
            trail: number of past centres shown; 0 shows none.
            sure: scores below this (0..1) are drawn in orange instead of green.
        """
        self.sure = sure
        self._trail: deque[tuple[float, float]] = deque(maxlen=max(trail, 0))

    def draw(self, image: Image, result: TrackResult, mask: NDArray[np.bool_] | None = None) -> Image:
        """A copy of RGB uint8 (H, W, 3) with the result on it, and the pixels of a bool (H, W) mask tinted."""
        color = _SURE if result.score is None or result.score >= self.sure else _UNSURE
        picture = PillowImage.fromarray(image if mask is None else _tinted(image, mask, color))
        pen = ImageDraw.Draw(picture)
        width = max(2, round(min(image.shape[:2]) / 180))
        self._trail.append(result.box.center)
        if len(self._trail) > 1:
            pen.line(list(self._trail), fill=color, width=max(1, width // 2))
        pen.rectangle(_drawable(result.box.xyxy), outline=color, width=width)
        self._label(pen, image, result, color)
        return np.asarray(picture)

    def _label(self, pen: ImageDraw.ImageDraw, image: Image, result: TrackResult, color: tuple[int, int, int]) -> None:
        text = f"{result.frame_index}" if result.score is None else f"{result.frame_index}  {result.score:.2f}"
        font = _font(max(11, round(image.shape[0] / 28)))
        _, _, right, bottom = pen.textbbox((0, 0), text, font=font)
        height = bottom + 4
        x = min(max(result.box.x, 0), image.shape[1] - right - 8)
        above = result.box.y - height
        y = above if above >= 0 else min(max(result.box.y + result.box.h, 0), image.shape[0] - height)
        pen.rectangle((x, y, x + right + 8, y + height), fill=color)
        pen.text((x + 4, y + 1), text, fill=(0, 0, 0), font=font)


def _tinted(image: Image, mask: NDArray[np.bool_], color: tuple[int, int, int]) -> Image:
    """A copy with the mask's pixels halfway to a color."""
    tinted = image.copy()
    tinted[mask] = tinted[mask] // 2 + np.array(color, np.uint8) // 2
    return tinted


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _drawable(corners: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Corners in the order Pillow insists on, even for a box without area."""
    x1, y1, x2, y2 = corners
    return x1, y1, max(x1, x2), max(y1, y2)
