"""Draw the box, its score, its trail and the target's pixels on a frame."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage, ImageDraw, ImageFont

from mixformer.types import Image, TrackResult

Color = tuple[int, int, int]

_SURE, _UNSURE, _GONE = (64, 255, 96), (255, 176, 32), (176, 176, 176)
# Colors of targets: bright enough for black text, and easy to distinguish for most color-blind people.
_PALETTE: tuple[Color, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 200, 140),
    (240, 228, 66),
    (255, 120, 90),
    (210, 140, 230),
    (150, 220, 60),
    (255, 170, 190),
    (120, 150, 255),
    (200, 200, 200),
)


class Annotator:
    """Draw results, and remember where the target was, for the trail.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box, TrackResult
        >>> from mixformer.video import Annotator
        >>> picture = Annotator().draw(np.zeros((90, 120, 3), np.uint8), TrackResult(Box(40, 30, 20, 20), 0.9, 0))
        >>> picture.shape, bool(picture.any())
        ((90, 120, 3), True)
    """

    def __init__(self, trail: int = 30) -> None:
        """Choose the look.

        Args:
            trail: number of past centers to show; 0 shows none.
        """
        self._trails: dict[int, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=max(trail, 0)))

    def draw(self, image: Image, result: TrackResult, mask: NDArray[np.bool_] | None = None) -> Image:
        """Return a copy of RGB uint8 (H, W, 3) with the result on it, and the pixels of a bool (H, W) mask tinted."""
        color = _SURE if result.status == "tracking" else _UNSURE
        picture = PillowImage.fromarray(image if mask is None else _tinted(image, mask, color))
        text = _text(result.frame, result)
        self._mark(picture, result, color, text, 0)
        return np.asarray(picture)

    def draw_all(
        self,
        image: Image,
        results: Mapping[int, TrackResult],
        masks: Mapping[int, NDArray[np.bool_]] | None = None,
    ) -> Image:
        """Return a copy with several targets on it, each in its color with its number and score.

        Args:
            image: the frame, RGB uint8 (H, W, 3).
            results: results by number of the target. The trail of a missing target ends.
            masks: bool (H, W) pixels to tint, by number of the target.
        """
        for number, mask in (masks or {}).items():
            image = _tinted(image, mask, _PALETTE[number % len(_PALETTE)])
        picture = PillowImage.fromarray(image)
        for gone in set(self._trails) - set(results):
            del self._trails[gone]
        for number, result in results.items():
            self._mark(picture, result, _PALETTE[number % len(_PALETTE)], _text(number, result), number)
        return np.asarray(picture)

    def _mark(self, picture: PillowImage.Image, result: TrackResult, color: Color, text: str, number: int) -> None:
        """Draw trail, box and label of one target."""
        pen, trail = ImageDraw.Draw(picture), self._trails[number]
        width = max(2, round(min(picture.size) / 180))
        if result.status == "lost":  # a gray dashed box at its last place, without a trail
            trail.clear()
            _dashed(pen, _drawable(picture.size, result.box.xyxy), _GONE, max(1, width // 2))
            self._label(pen, picture.size, result, _GONE, text)
            return
        trail.append(_near(picture.size, result.box.center[0], result.box.y + result.box.h))
        _fading(picture, list(trail), color, max(1, width // 2))
        corners = _drawable(picture.size, result.box.xyxy)
        if result.status == "uncertain":
            _dashed(pen, corners, color, width)
        else:
            pen.rectangle(corners, outline=color, width=width)
        self._label(pen, picture.size, result, color, text)

    def _label(
        self, pen: ImageDraw.ImageDraw, size: tuple[int, int], result: TrackResult, color: Color, text: str
    ) -> None:
        font = label_font(max(11, round(size[1] / 28)))
        _, _, right, bottom = pen.textbbox((0, 0), text, font=font)
        height = bottom + 4
        x, y = _place(size, result.box.xyxy, (right + 8, height))
        pen.rectangle((x, y, x + right + 8, y + height), fill=color)
        pen.text((x + 4, y + 1), text, fill=(0, 0, 0), font=font)


def _place(
    size: tuple[int, int], corners: tuple[float, float, float, float], label: tuple[float, float]
) -> tuple[float, float]:
    """Left and top of a label outside of its box: above, below, right or left; in the box only where all are full."""
    x1, y1, x2, y2 = corners
    right, bottom = size[0] - label[0], size[1] - label[1]
    x, y = min(max(x1, 0), right), min(max(y1, 0), bottom)
    if y1 >= label[1]:
        return x, min(y1 - label[1], bottom)
    for at, free in (((x, y2), y2 <= bottom), ((x2, y), x2 <= right), ((x1 - label[0], y), x1 >= label[0])):
        if free:
            return max(at[0], 0), max(at[1], 0)
    return x, bottom


def _fading(picture: PillowImage.Image, points: list[tuple[float, float]], color: Color, width: int) -> None:
    """A line through points, the newest last; older parts are fainter."""
    pen = ImageDraw.Draw(picture, "RGBA")
    for number, ends in enumerate(pairwise(points), 1):
        pen.line(ends, fill=(*color, 255 * number // len(points)), width=width)


def _text(number: int, result: TrackResult) -> str:
    """Return the label: a number and the score. A given box has no score, and a lost target has the word instead."""
    if result.status == "lost":
        return f"{number}  lost"
    return f"{number}" if result.score is None or result.is_initial else f"{number}  {result.score:.2f}"


def _dashed(pen: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], color: Color, width: int) -> None:
    """Draw a rectangle of dashes, about eight widths long."""
    x1, y1, x2, y2 = corners
    for across, start, end in ((y1, x1, x2), (y2, x1, x2)):
        for a, b in _dashes(start, end, width):
            pen.line((a, across, b, across), fill=color, width=width)
    for across, start, end in ((x1, y1, y2), (x2, y1, y2)):
        for a, b in _dashes(start, end, width):
            pen.line((across, a, across, b), fill=color, width=width)


def _dashes(start: float, end: float, width: int) -> list[tuple[float, float]]:
    """Cut a line into an odd number of equal pieces, and return every second one, so that corners are drawn."""
    count = 2 * max(1, round((end - start) / (8 * width))) + 1
    step = (end - start) / count
    return [(start + k * step, start + (k + 1) * step) for k in range(0, count, 2)]


def _tinted(image: Image, mask: NDArray[np.bool_], color: Color) -> Image:
    """Return a copy with the mask's pixels halfway to a color."""
    tinted = image.copy()
    tinted[mask] = tinted[mask] // 2 + np.array(color, np.uint8) // 2
    return tinted


@lru_cache(maxsize=8)
def label_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the font of labels, `size` pixels high."""
    return ImageFont.load_default(size)


def _drawable(size: tuple[int, int], corners: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return corners near the picture, in the order that Pillow requires, even for a box without area."""
    (x1, y1), (x2, y2) = _near(size, *corners[:2]), _near(size, *corners[2:])
    return x1, y1, max(x1, x2), max(y1, y2)


def _near(size: tuple[int, int], x: float, y: float) -> tuple[float, float]:
    """Move a point near the picture (within its size), since Pillow draws even the invisible part of a line."""
    return min(max(x, -size[0]), 2 * size[0]), min(max(y, -size[1]), 2 * size[1])
