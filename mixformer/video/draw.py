"""Draw the box, its score, its trail and the target's pixels on a frame."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage, ImageDraw, ImageFont

from mixformer.types import Image, TrackResult

Color = tuple[int, int, int]
Corners = tuple[float, float, float, float]  # x1, y1, x2, y2

_SURE, _UNSURE, _GONE = (64, 255, 96), (255, 176, 32), (176, 176, 176)
# Colors of targets: bright enough for black text, and told apart with each kind of color blindness. The page of
# `mixformer web` has the same.
_PALETTE: tuple[Color, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (88, 232, 160),
    (240, 228, 66),
    (255, 120, 90),
    (232, 112, 208),
    (184, 232, 136),
    (208, 184, 184),
    (160, 112, 232),
    (160, 232, 232),
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
        self._mark(picture, result, color, 0)
        _label(picture, [result], result, color, _text(result.frame, result))
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
        colors = {number: _PALETTE[number % len(_PALETTE)] for number in results}
        for number, result in results.items():
            self._mark(picture, result, colors[number], number)
        for number, result in results.items():  # last, so that no box is drawn over a label
            _label(picture, list(results.values()), result, colors[number], _text(number, result))
        return np.asarray(picture)

    def _mark(self, picture: PillowImage.Image, result: TrackResult, color: Color, number: int) -> None:
        """Draw trail and box of one target."""
        pen, trail = ImageDraw.Draw(picture), self._trails[number]
        width = max(2, round(min(picture.size) / 180))
        corners = _drawable(picture.size, result.box.xyxy)
        if result.status == "lost":  # a gray dashed box at its last place, without a trail
            trail.clear()
            _dashed(pen, corners, _GONE, max(1, width // 2))
            return
        trail.append(_near(picture.size, result.box.center[0], result.box.y + result.box.h))
        _fading(picture, list(trail), color, max(1, width // 2))
        if result.status == "uncertain":
            _dashed(pen, corners, color, width)
        else:
            pen.rectangle(corners, outline=color, width=width)


def _label(
    picture: PillowImage.Image, all_results: list[TrackResult], result: TrackResult, color: Color, text: str
) -> None:
    """Write the label of one target, where it covers none of all targets if there is such a place."""
    pen, size = ImageDraw.Draw(picture), picture.size
    high = max(11, round(size[1] / 28))
    margin, font = round(high / 4), label_font(high)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, tall = right - left + 2 * margin, bottom - top + 2 * margin
    own, *others = [result.box.xyxy, *(each.box.xyxy for each in all_results if each is not result)]
    x, y = _place(size, own, (wide, tall), others)
    pen.rectangle((x, y, x + wide, y + tall), fill=_GONE if result.status == "lost" else color)
    pen.text((x + margin - left, y + margin - top), text, fill=(0, 0, 0), font=font)


def _place(
    size: tuple[int, int], corners: Corners, label: tuple[float, float], others: Iterable[Corners] = ()
) -> tuple[float, float]:
    """Left and top of a label outside of its box: above, below, right or left; in the box only where all are full.

    A place that covers none of the other boxes is preferred.
    """
    x1, y1, x2, y2 = corners
    right, bottom = size[0] - label[0], size[1] - label[1]
    x, y = min(max(x1, 0), right), min(max(y1, 0), bottom)
    free = [
        at
        for at, inside in (
            ((x, min(y1 - label[1], bottom)), y1 >= label[1]),
            ((x, max(y2, 0)), y2 <= bottom),
            ((max(x2, 0), y), x2 <= right),
            ((x1 - label[0], y), x1 >= label[0]),
        )
        if inside
    ]
    taken = list(others)
    clear = [at for at in free if not any(_covers(at, label, other) for other in taken)]
    return next(iter(clear or free), (x, bottom))


def _covers(at: tuple[float, float], label: tuple[float, float], box: Corners) -> bool:
    return at[0] < box[2] and box[0] < at[0] + label[0] and at[1] < box[3] and box[1] < at[1] + label[1]


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


def _dashed(pen: ImageDraw.ImageDraw, corners: Corners, color: Color, width: int) -> None:
    """Draw a rectangle of dashes, about eight widths long, with dark ones between them, to be seen on any ground."""
    x1, y1, x2, y2 = corners
    pen.rectangle(corners, outline=(0, 0, 0), width=width)
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
    tinted, mask = image.copy(), mask.astype(np.bool_)  # numbers would be taken for those of rows
    tinted[mask] = tinted[mask] // 2 + np.array(color, np.uint8) // 2
    return tinted


@lru_cache(maxsize=8)
def label_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the font of labels, `size` pixels high."""
    return ImageFont.load_default(size)


def _drawable(size: tuple[int, int], corners: Corners) -> Corners:
    """Return corners near the picture, in the order that Pillow requires, even for a box without area."""
    (x1, y1), (x2, y2) = _near(size, *corners[:2]), _near(size, *corners[2:])
    return x1, y1, max(x1, x2), max(y1, y2)


def _near(size: tuple[int, int], x: float, y: float) -> tuple[float, float]:
    """Move a point near the picture (within its size), since Pillow draws even the invisible part of a line."""
    return min(max(x, -size[0]), 2 * size[0]), min(max(y, -size[1]), 2 * size[1])
