"""The distributions that a box is read from, drawn along the sides of the search crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from mixformer.imaging.resize import resize_image
from mixformer.inspection.attention_pictures import with_box
from mixformer.inspection.contact_sheet import FAINT, INK, PAPER, font
from mixformer.inspection.frame_inspection import FrameInspection
from mixformer.inspection.heatmap import overlay, scaled, spread
from mixformer.inspection.network_maps import FloatMap
from mixformer.types import Image

_SIDE, _STRIP, _MARGIN, _LINE = 400, 120, 16, 18
# Left, right, top, bottom in colors that color-blind people can tell apart.
_EDGES = (("left", (0, 114, 178)), ("right", (213, 94, 0)), ("top", (0, 158, 115)), ("bottom", (204, 121, 167)))


def distributions_picture(seen: FrameInspection) -> Image:
    """Draw the search crop with the edge distributions along its top and left side, and corner maps beside it.

    Returns:
        RGB uint8 (H, W, 3).
    """
    found = seen.result.distributions
    maps = [] if found.corners is None else list(zip(found.corners, ("top-left", "bottom-right"), strict=True))
    strip = 0 if found.edges is None else _STRIP
    left, top = strip + _MARGIN, strip + 3 * _MARGIN
    size = left + (1 + len(maps)) * (_SIDE + _MARGIN), top + _SIDE + _MARGIN + 4 * _LINE
    picture = PillowImage.new("RGB", size, PAPER)
    crop = resize_image(seen.search, _SIDE, _SIDE)
    picture.paste(PillowImage.fromarray(with_box(crop, seen.corners)), (left, top))
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, _MARGIN), "Where the box is read from", INK, font(16))
    if found.edges is None:
        pen.text((left, top + _SIDE + 8), "A query head predicts the box itself, without distributions.", INK, font(13))
    else:
        _draw_edges(pen, found.edges, left, top)
    for number, (values, name) in enumerate(maps):
        x = left + (number + 1) * (_SIDE + _MARGIN)
        picture.paste(PillowImage.fromarray(_corner(values, crop, seen.corners)), (x, top))
        row, column = np.unravel_index(values.argmax(), values.shape)
        text = f"{name} corner: peak {100 * values.max():.2g}% at ({_at(column, values)}, {_at(row, values)})"
        pen.text((x, top + _SIDE + 8), text, INK, font(13))
    return np.asarray(picture)


def _at(index: np.intp, values: FloatMap) -> str:
    return f"{index / len(values):.3f}"


def _corner(values: FloatMap, crop: Image, box: tuple[float, float, float, float]) -> Image:
    """The map as heat on the crop; its position k stands for k / positions, as in the expectation."""
    centers = np.arange(len(values)) / len(values)
    return with_box(overlay(crop, spread(scaled(values), centers, _SIDE)), box)


def _draw_edges(pen: ImageDraw.ImageDraw, edges: FloatMap, left: int, top: int) -> None:
    """Curves in the strips, a line through the crop at each expected position, and their numbers."""
    bins = edges.shape[1]
    expected = edges @ (np.arange(bins) / bins)
    for first, strip_top in ((0, True), (2, False)):
        scale = float(edges[first : first + 2].max())
        for index in (first, first + 1):
            _draw_curve(pen, edges[index] / scale, (left, top), _EDGES[index][1], above=strip_top)
            _draw_line(pen, float(expected[index]), (left, top), _EDGES[index][1], vertical=strip_top)
    pen.line((left, top, left + _SIDE, top), FAINT)
    pen.line((left, top, left, top + _SIDE), FAINT)
    for index, (name, color) in enumerate(_EDGES):
        y = top + _SIDE + 8 + index * _LINE
        pen.rectangle((left, y + 2, left + 12, y + 12), fill=color)
        peak = int(edges[index].argmax())
        text = f"{name}: expected {expected[index]:.3f}, peak {100 * edges[index, peak]:.3g}% at {peak / bins:.3f}"
        pen.text((left + 20, y), text, INK, font(13))


def _draw_curve(
    pen: ImageDraw.ImageDraw,
    heights: NDArray[np.floating],
    corner: tuple[int, int],
    color: tuple[int, int, int],
    *,
    above: bool,
) -> None:
    """One distribution, heights 0..1, above the crop (along x) or left of it (along y)."""
    left, top = corner
    along = np.arange(len(heights)) / len(heights) * _SIDE
    away = heights * (_STRIP - 8)
    points = [(left + a, top - h) if above else (left - h, top + a) for a, h in zip(along, away, strict=True)]
    pen.line(points, fill=color, width=2, joint="curve")


def _draw_line(
    pen: ImageDraw.ImageDraw, position: float, corner: tuple[int, int], color: tuple[int, int, int], *, vertical: bool
) -> None:
    left, top = corner
    offset = position * _SIDE
    if vertical:
        pen.line((left + offset, top - _STRIP + 8, left + offset, top + _SIDE), fill=color)
    else:
        pen.line((left - _STRIP + 8, top + offset, left + _SIDE, top + offset), fill=color)
