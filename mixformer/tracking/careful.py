"""Choose where a careful tracker searches for a lost target, by functions without side effects.

While a target is lost, the tracker looks at its last place in every frame, and in a few more windows: first near ones,
farther ones the longer the target is away, and the whole frame after a cut to another picture.
"""

from __future__ import annotations

import math

import numpy as np

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.tracking.presence import Presence
from mixformer.types import Box, Image

_GRID = (9, 16)  # rows and columns of a thumbnail
_CUT = 35.0  # mean change of brightness (of 255) from one frame to the next that only a cut makes
_STRIDE = 0.6  # distance of neighboring windows in sides of a search crop: a target lies wholly in one of them
_MOST_WINDOWS = 12  # windows that cover the frame; instead of using more, make them larger
_LARGEST = 2.0  # side of the largest window in sides of the usual one
_REACH = 2.5  # distance, in sizes of the target, that is searched at first
_SPEED = 0.35  # sizes of the target that each frame adds to this distance


def thumbnail(image: Image) -> tuple[int, ...]:
    """Return the brightness (0..255) at the places of a coarse grid, row by row."""
    rows, columns = (
        np.linspace(0, side - 1, count).astype(int) for side, count in zip(image.shape, _GRID, strict=False)
    )
    return tuple(image[np.ix_(rows, columns)].mean(2).astype(int).ravel().tolist())


def is_cut(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Tell from the thumbnails of two frames whether there is a cut between them."""
    if len(before) != len(after):
        return False
    return float(np.abs(np.subtract(before, after)).mean()) > _CUT


def windows_to_search(presence: Presence, size: tuple[int, int], config: TrackerConfig) -> list[Box]:
    """Choose the windows to search in a frame, besides the last place of the target.

    Args:
        presence: presence of the lost target.
        size: (height, width) of the frame.
        config: kind of search and budget.

    Returns:
        Boxes to crop around, in pixels, one to two times as large as `presence.sure_box`; none without that box.
    """
    last = presence.sure_box
    if config.redetect == "off" or config.search_budget < 2 or last is None:
        return []
    side = math.sqrt(last.w * last.h)
    # 1. Cover the frame with windows; keep those near enough, the nearest first.
    places, scale = _lattice(size, _STRIDE * config.search_factor * side)
    x, y = last.center
    distance = {place: math.hypot(place[0] - x, place[1] - y) for place in places}
    anywhere = presence.cut and config.redetect == "frame"
    reach = math.inf if anywhere else side * (_REACH + _SPEED * presence.lost_frames)
    near = sorted((p for p in places if distance[p] <= reach), key=lambda p: distance[p])
    if not near:
        return []
    # 2. Take one of them in turn; after a cut, first go through all as fast as the budget allows.
    first_round = anywhere and presence.looked < len(near)
    count = min(config.search_budget - 1 if first_round else 1, len(near))
    chosen = [near[(presence.looked + k) % len(near)] for k in range(count)]
    w, h = last.w * scale, last.h * scale
    return [Box(px - w / 2, py - h / 2, w, h) for px, py in chosen]


def _lattice(size: tuple[int, int], stride: float) -> tuple[list[tuple[float, float]], float]:
    """Return the centers of windows that cover the frame, and their side (1 to 2) in sides of the usual window."""
    height, width = size
    scale = min(_LARGEST, max(1.0, math.sqrt(height * width / _MOST_WINDOWS) / stride))
    rows, columns = (max(1, math.ceil(side / (stride * scale))) for side in (height, width))
    rows, columns = min(rows, 32), min(columns, 32)  # a tiny target in a huge frame is not searched for everywhere
    places = [((j + 0.5) * width / columns, (i + 0.5) * height / rows) for i in range(rows) for j in range(columns)]
    return places, scale
