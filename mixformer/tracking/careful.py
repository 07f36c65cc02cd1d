"""Where a careful tracker looks for a lost target, as functions without side effects.

While the target is lost, every frame looks where it was last. A few more crops in every frame go over the frame: near
places first, farther ones the longer the target is away, and everywhere after a cut to another picture.
"""

from __future__ import annotations

import math

import numpy as np

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.tracking.presence import Presence
from mixformer.types import Box, Image

_GRID = (9, 16)  # rows and columns of a thumbnail
_CUT = 35.0  # mean change of brightness (of 255) from one frame to the next that only a cut makes
_STRIDE = 0.6  # of the side of a search crop, from one window to the next: a target is whole in one of them
_MOST_WINDOWS = 12  # over the frame; if more were needed, they get larger, and the target smaller in them
_LARGEST = 2.0  # times the usual window
_REACH = 2.5  # sizes of the target that it may be away at first, in a continuous picture
_SPEED = 0.35  # sizes of the target that are added to it each frame


def thumbnail(image: Image) -> tuple[int, ...]:
    """Return the brightness (0..255) at a coarse grid of places, row by row."""
    rows, columns = (
        np.linspace(0, side - 1, count).astype(int) for side, count in zip(image.shape, _GRID, strict=False)
    )
    return tuple(image[np.ix_(rows, columns)].mean(2).astype(int).ravel().tolist())


def is_cut(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Tell from two thumbnails whether the picture changed all at once."""
    if len(before) != len(after):
        return False
    return float(np.abs(np.subtract(before, after)).mean()) > _CUT


def windows_to_search(presence: Presence, size: tuple[int, int], config: TrackerConfig) -> list[Box]:
    """Choose the places that this frame looks at besides the one where the target was last.

    Args:
        presence: of a lost target with a `sure_box`.
        size: (height, width) of the frame.
        config: kind of search and budget.

    Returns:
        Boxes to crop around, in pixels, as large as the target was or up to twice.
    """
    last = presence.sure_box
    if config.redetect == "off" or config.search_budget < 2 or last is None:
        return []
    side = math.sqrt(last.w * last.h)
    places, scale = _lattice(size, _STRIDE * config.search_factor * side)
    x, y = last.center
    distance = {place: math.hypot(place[0] - x, place[1] - y) for place in places}
    anywhere = presence.cut and config.redetect == "frame"
    reach = math.inf if anywhere else side * (_REACH + _SPEED * presence.lost_frames)
    near = sorted((p for p in places if distance[p] <= reach), key=lambda p: distance[p])
    if not near:
        return []
    # One more crop in a usual frame; all that the budget allows right after a cut, when it may be anywhere.
    first_round = anywhere and presence.looked < len(near)
    count = min(config.search_budget - 1 if first_round else 1, len(near))
    chosen = [near[(presence.looked + k) % len(near)] for k in range(count)]
    w, h = last.w * scale, last.h * scale
    return [Box(px - w / 2, py - h / 2, w, h) for px, py in chosen]


def _lattice(size: tuple[int, int], stride: float) -> tuple[list[tuple[float, float]], float]:
    """Middles of windows that cover the frame, and the factor (1 to 2) by which they are larger than usual."""
    height, width = size
    scale = min(_LARGEST, max(1.0, math.sqrt(height * width / _MOST_WINDOWS) / stride))
    rows, columns = (max(1, math.ceil(side / (stride * scale))) for side in (height, width))
    rows, columns = min(rows, 32), min(columns, 32)  # of a tiny target in a huge frame not every place can be seen
    places = [((j + 0.5) * width / columns, (i + 0.5) * height / rows) for i in range(rows) for j in range(columns)]
    return places, scale
