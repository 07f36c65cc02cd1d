"""Contact sheets: captioned panels in a grid, in reading order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from mixformer.types import Image

PANEL = 160
"""Side of a panel in pixels."""
PAPER, INK, FAINT = (255, 255, 255), (24, 24, 24), (110, 110, 110)
_GAP, _LINE, _MARGIN = 8, 16, 16
_SHAPE = 1.4  # width in units of height that a sheet should have


@dataclass(frozen=True)
class Panel:
    """A square picture, PANEL pixels wide, and a line under it."""

    picture: Image
    caption: str


@dataclass(frozen=True)
class Cell:
    """Panels that belong together, in rows of equal length, with a heading."""

    heading: str
    rows: list[list[Panel]]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        columns = max(len(row) for row in self.rows)
        return columns * (PANEL + _GAP) - _GAP, self.heading_height + len(self.rows) * (PANEL + _LINE + _GAP)

    @property
    def heading_height(self) -> int:
        """Pixels above the panels."""
        return _LINE + 2 if self.heading else 0


def contact_sheet(title: str, explanation: str, header: Cell, cells: list[Cell]) -> Image:
    """Draw a sheet.

    Args:
        title: large first line.
        explanation: what the pictures show; wrapped to the sheet's width.
        header: first cell, on a line of its own.
        cells: cells of one size.
    """
    width, height = cells[0].size
    columns = _columns(len(cells), height / (width + 2 * _GAP))
    inner = max(columns * (width + 2 * _GAP) - 2 * _GAP, header.size[0], 2 * PANEL)
    words = wrapped(explanation, inner)
    top = 2 * _MARGIN + 28 + len(words) * _LINE
    body = top + header.size[1] + _GAP
    rows = math.ceil(len(cells) / columns)
    sheet = PillowImage.new("RGB", (inner + 2 * _MARGIN, body + rows * (height + _GAP) + _MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN), title, INK, font(18))
    for number, line in enumerate(words):
        pen.text((_MARGIN, _MARGIN + 26 + number * _LINE), line, FAINT, font(12))
    _draw_cell(sheet, header, _MARGIN, top)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        _draw_cell(sheet, cell, _MARGIN + column * (width + 2 * _GAP), body + row * (height + _GAP))
    return np.asarray(sheet)


def _columns(count: int, tall: float) -> int:
    """So many that the sheet gets its shape and the rows are even; `tall` is the height of a cell over its width."""
    wished = min(max(1, round(math.sqrt(_SHAPE * count * tall))), count)
    return math.ceil(count / math.ceil(count / wished))


def _draw_cell(sheet: PillowImage.Image, cell: Cell, x: int, y: int) -> None:
    pen = ImageDraw.Draw(sheet)
    if cell.heading:
        pen.text((x, y), cell.heading, INK, font(13))
    for r, row in enumerate(cell.rows):
        for c, panel in enumerate(row):
            left, top = x + c * (PANEL + _GAP), y + cell.heading_height + r * (PANEL + _LINE + _GAP)
            sheet.paste(PillowImage.fromarray(panel.picture), (left, top))
            pen.text((left, top + PANEL + 1), panel.caption, FAINT, font(11))


def wrapped(text: str, width: int, size: int = 12) -> list[str]:
    """Lines of words no wider than `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    return ImageFont.load_default(size)
