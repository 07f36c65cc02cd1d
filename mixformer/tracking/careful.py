"""Choose where a careful tracker searches for a lost target, by functions without side effects.

While a target is lost, the tracker looks at its last place in every frame, and in a few more windows: first near ones,
farther ones the longer the target is away, and the whole frame after a while or a cut. It takes windows that cover the
frame and places that look like the target at a glance, by turns.
"""

from __future__ import annotations

import math

import numpy as np

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.tracking.presence import Presence
from mixformer.tracking.proposals import propose
from mixformer.types import Box, Image

_GRID = (9, 16)  # rows and columns of a thumbnail
_CUT = 35.0  # mean change of brightness (of 255) from one frame to the next that only a cut makes
_STRIDE = 0.6  # distance of neighboring windows in sides of a search crop: a target lies wholly in one of them
_MOST_WINDOWS = 12  # windows that cover the frame; instead of using more, make them larger
_LARGEST = 2.0  # side of the largest window in sides of the usual one
_NEAR_FRAMES = 10  # frames after which a lost target may be anywhere
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


def windows_to_search(presence: Presence, image: Image, template: Image, config: TrackerConfig) -> list[Box]:
    """Choose the windows to search in a frame, besides the last place of the target.

    Args:
        presence: presence of the lost target.
        image: frame, RGB uint8 (H, W, 3).
        template: crop of the target, RGB uint8 (t, t, 3).
        config: kind of search and budget.

    Returns:
        Boxes to crop around, in pixels, one to two times as large as `presence.sure_box`; none without that box.
    """
    last = presence.sure_box
    if config.redetect == "off" or config.search_budget < 2 or last is None:
        return []
    side = math.sqrt(last.w * last.h)
    x, y = last.center
    # 1. Take one place a frame; after a cut, at first as many as the budget allows.
    places, scale = _lattice(image.shape[:2], _STRIDE * config.search_factor * side)
    anywhere = config.redetect == "frame" and (presence.cut or presence.lost_frames > _NEAR_FRAMES)
    hurry = presence.cut and anywhere and presence.looked < len(places)
    count, turn = config.search_budget - 1 if hurry else 1, presence.looked
    # 2. If it may be anywhere, every second place is one that looks like the target.
    alike: list[tuple[float, float]] = []
    if anywhere and config.search_glances:
        turn, glances = turn // 2, (count + 1 - turn % 2) // 2
        start = turn // 2 % config.search_glances  # twice in a row, since the template changes
        alike = propose(image, template, (last.w, last.h), start + glances)[start:] if glances else []
    # 3. The others are windows that cover the frame, the nearest first.
    reach = math.inf if anywhere else side * (_REACH + _SPEED * presence.lost_frames)
    distance = {place: math.hypot(place[0] - x, place[1] - y) for place in places}
    near = sorted((place for place in places if distance[place] <= reach), key=lambda place: distance[place])
    around = [near[(turn + k) % len(near)] for k in range(min(count - len(alike), len(near)))]
    return [_around(place, last, 1.0) for place in alike] + [_around(place, last, scale) for place in around]


def _around(center: tuple[float, float], box: Box, scale: float) -> Box:
    """Return a box with this center, `scale` times as large."""
    w, h = box.w * scale, box.h * scale
    return Box(center[0] - w / 2, center[1] - h / 2, w, h)


def _lattice(size: tuple[int, int], stride: float) -> tuple[list[tuple[float, float]], float]:
    """Return the centers of windows that cover the frame, and their side (1 to 2) in sides of the usual window."""
    height, width = size
    scale = min(_LARGEST, max(1.0, math.sqrt(height * width / _MOST_WINDOWS) / stride))
    rows, columns = (max(1, math.ceil(side / (stride * scale))) for side in (height, width))
    rows, columns = min(rows, 32), min(columns, 32)  # a tiny target in a huge frame is not searched for everywhere
    places = [((j + 0.5) * width / columns, (i + 0.5) * height / rows) for i in range(rows) for j in range(columns)]
    return places, scale
