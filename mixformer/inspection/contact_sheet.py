"""Draw pictures, heatmaps, and contact sheets of both, with matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mixformer.optional import explain_missing, keep_in_cache
from mixformer.types import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Corners = tuple[float, float, float, float]
Panels = Sequence[tuple[str, Callable[["Axes"], None]]]
"""Titles of panels, and the functions that draw them."""

EVEN = 4
"""The lightest color of a heatmap is for this many times the mean, or for the maximum if that is larger. So nearly even
values stay dark."""
LARGE, SMALL = 13, 7.5
"""Font sizes of titles and of captions, in points."""
_BOX = "#40FF60"
_PANEL, _GAP, _LINE, _MARGIN = 1.5, 0.12, 0.17, 0.2  # inches


def new_sheet(width: float, height: float, layout: Any = "constrained") -> Figure:
    """Make an empty figure without a window; sizes are in inches."""
    with explain_missing("drawing an inspection"):
        keep_in_cache("matplotlib")
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout=layout)


def contact_sheet(title: str, text: str, header: Panels, panels: Panels, together: int) -> Figure:
    """Draw a contact sheet: a title, an explanation, a row of pictures, then rows of panels.

    A panel is its title and the function that draws it; `together` panels of one block share a row. Panels have fixed
    sizes, since matplotlib's automatic layouts take seconds for a hundred of them.
    """
    # 1. Choose the number of blocks in a row so that the sheet is a little wider than high.
    count = len(panels) // together
    columns = together * max(1, min(count, round(math.sqrt(1.4 * count / together))))
    rows = [header, *(panels[start : start + columns] for start in range(0, len(panels), columns))]
    # 2. Compute the size, and draw the texts.
    width = 2 * _MARGIN + max(max(map(len, rows)), 3) * (_PANEL + _GAP) - _GAP
    lines = textwrap.wrap(text, round(13 * (width - 2 * _MARGIN)))
    above, pitch = _MARGIN + 0.35 + len(lines) * _LINE, _PANEL + 2 * _LINE + _GAP
    height = above + len(rows) * pitch + _MARGIN
    figure = new_sheet(width, height, layout=None)
    figure.text(_MARGIN / width, 1 - _MARGIN / height, title, fontsize=LARGE, va="top")
    figure.text(_MARGIN / width, 1 - (_MARGIN + 0.3) / height, "\n".join(lines), fontsize=SMALL + 1, va="top")
    # 3. Draw the panels.
    for r, row in enumerate(rows):
        for c, (label, draw) in enumerate(row):
            left, bottom = _MARGIN + c * (_PANEL + _GAP), height - above - (r + 1) * pitch
            axes = figure.add_axes((left / width, bottom / height, _PANEL / width, _PANEL / height))
            draw(axes)
            axes.set_title(label, fontsize=SMALL, loc="left", pad=2)
    return figure


def draw_picture(axes: Axes, picture: Image, box: Corners | None = None) -> None:
    """Draw a square picture, with sides of length 1, and a box (xyxy, as fractions of the sides)."""
    axes.imshow(picture, extent=(0, 1, 1, 0), interpolation="bilinear")
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
    if box is not None:
        x, y = (box[0], box[2]), (box[1], box[3])
        axes.plot([x[0], x[1], x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]], color=_BOX, linewidth=1)


def draw_heat(
    axes: Axes, values: np.ndarray[Any, Any], low: float, high: float, picture: Image, box: Corners | None
) -> None:
    """Draw values (g, g) as a heatmap on the gray picture, from `low` to `high` in fractions of its sides."""
    gray = np.repeat(picture.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    draw_picture(axes, gray, box)
    top = max(float(values.max()), EVEN * float(values.mean()), 1e-12)  # nearly even values stay dark
    heat: dict[str, Any] = {"cmap": "inferno", "vmin": 0, "vmax": top, "alpha": 0.65, "interpolation": "bilinear"}
    axes.imshow(values, extent=(low, high, high, low), **heat)
    axes.set(xlim=(0, 1), ylim=(1, 0))
