"""Regions of VOT: boxes, polygons and masks."""

from __future__ import annotations

from dataclasses import dataclass

from mixformer.errors import BoxError
from mixformer.masks.mask_files import mask_box
from mixformer.masks.refiner import Mask
from mixformer.types import Box, FloatArray


@dataclass(frozen=True)
class Polygon:
    """The outline of a target."""

    points: FloatArray  # (n, 2) float x, y of its corners in pixels, 0-based, n >= 3


Region = Box | Polygon | Mask
"""The place of a target. A mask has the size of the frame."""


def region_box(region: Region) -> Box:
    """Find the box to start a tracker from, as in the official runs: the smallest one around a polygon or a mask.

    Raises BoxError if the mask is empty.
    """
    if isinstance(region, Box):
        return region
    if isinstance(region, Polygon):
        (x0, y0), (x1, y1) = region.points.min(0), region.points.max(0)
        return Box(float(x0), float(y0), float(x1 - x0), float(y1 - y0))
    box = mask_box(region)
    if box is None:
        raise BoxError("the mask to start from is empty; start where the target is visible")
    return box
