"""Shots as they look when the target is far away: a few pixels of it, made larger by the crop."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image as PillowImage

from mixformer.data.sampling import AnnotatedFrame, Random, TrainingSample
from mixformer.types import Box

SIDES = 12.0, 40.0
"""Sides sqrt(w * h) in pixels between which a target is brought."""


def downscale(random: Random, shot: TrainingSample) -> TrainingSample:
    """The shot with all frames shrunk alike, so that the target is small.

    Args:
        random: draws the side of the target, uniform in its logarithm.
        shot: comes back as it is if its target is small already.
    """
    least, most = SIDES
    side = math.sqrt(shot.templates[0].box.w * shot.templates[0].box.h)
    if side <= least:
        return shot
    factor = math.exp(random.uniform(math.log(least), math.log(min(side, most)))) / side
    templates = tuple(_shrunk(view, factor) for view in shot.templates)
    return replace(shot, templates=templates, search=_shrunk(shot.search, factor))


def _shrunk(view: AnnotatedFrame, factor: float) -> AnnotatedFrame:
    """A view with means over pixels as its pixels."""
    rows, columns = view.image.shape[:2]
    width, height = max(1, round(columns * factor)), max(1, round(rows * factor))
    image = np.asarray(PillowImage.fromarray(view.image).resize((width, height), PillowImage.Resampling.BOX))
    sx, sy = width / columns, height / rows
    x, y, w, h = view.box
    return AnnotatedFrame(image, Box(x * sx, y * sy, w * sx, h * sy), view.origin)
