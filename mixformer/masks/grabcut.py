"""Find masks by GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004): two color models and a minimal cut, no training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mixformer.errors import ConfigError
from mixformer.masks.refiner import Mask
from mixformer.optional import load
from mixformer.types import Box, Image

_SMALLEST = 4  # pixels; a box with a shorter side has too few colors to model
_COMPONENTS = 5  # components of each color mixture of GrabCut; it needs at least as many pixels


class GrabCutRefiner:
    """A `MaskRefiner` on a CPU with OpenCV's GrabCut, for `pip install 'mixformer[masks]'`.

    GrabCut learns the colors of target and background from the frame itself, and cuts where they change. It works well
    if the two differ in color. It does not recognize objects.

    It sees a window around the box, scaled down. Pixels outside the box plus a margin are surely background; an ellipse
    in the middle of the box is surely target. GrabCut decides about the rest: it starts with the ellipse inscribed in
    the box as target. The same frame and box always give the same mask.

    Only the part of the box inside the frame counts. If it has a side below 4 pixels, the mask is the filled box. If it
    has no area, or the box holds a value that is not finite, the mask is empty. If GrabCut finds nothing, or there is
    only one color or too few pixels to learn from, the mask is the ellipse inscribed in the box.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box
        >>> from mixformer.masks import GrabCutRefiner
        >>> frame = np.zeros((60, 80, 3), np.uint8)
        >>> frame[20:40, 30:50] = (230, 80, 20)
        >>> mask = GrabCutRefiner()(frame, Box(30, 20, 20, 20))
        >>> mask.shape, bool(mask[30, 40]), bool(mask[5, 5])
        ((60, 80), True, False)
    """

    def __init__(
        self, size: int = 256, search_factor: float = 2.0, margin: float = 0.05, core: float = 0.45, iterations: int = 2
    ) -> None:
        """Choose the speed, and how far to trust the box.

        Args:
            size: longest side in pixels of the window that GrabCut sees, at least 16; smaller is faster and coarser.
            search_factor: sides of the window in units of the box's sides, above 1; background is learned there.
            margin: how far the target may reach beyond the box, in units of its sides, at least 0.
            core: sides of the ellipse that is surely target, in units of the box's sides, 0 to 1.
            iterations: rounds of learning colors and cutting, at least 1.

        Raises:
            ConfigError: if a value is out of range.
            MissingDependencyError: if OpenCV is not installed.
        """
        if size < 16 or search_factor <= 1 or margin < 0 or not 0 <= core <= 1 or iterations < 1:
            raise ConfigError(
                f"GrabCut needs size >= 16, search_factor > 1, margin >= 0, 0 <= core <= 1 and iterations >= 1; got "
                f"{size=}, {search_factor=}, {margin=}, {core=}, {iterations=}"
            )
        self.size, self.search_factor, self.margin = size, search_factor, margin
        self.core, self.iterations = core, iterations
        self._cv2 = load("cv2", "a mask by GrabCut")

    def __call__(self, frame: Image, box: Box) -> Mask:
        """See `MaskRefiner.__call__`."""
        mask = np.zeros(frame.shape[:2], np.bool_)
        box = _visible(box, mask.shape)
        if not (box.w > 0 and box.h > 0):
            return mask
        if min(box.w, box.h) < _SMALLEST:
            mask[_pixels(box, mask.shape)] = True
            return mask
        window = _pixels(_grown(box, self.search_factor), mask.shape)
        mask[window] = self._cut(frame[window], box._replace(x=box.x - window[1].start, y=box.y - window[0].start))
        return mask

    def _cut(self, crop: Image, box: Box) -> Mask:
        """Compute the mask of a crop (h, w, 3); the box is in pixels of the crop."""
        # 1. Scale the crop down, and label its pixels.
        cv2 = self._cv2
        height, width = crop.shape[:2]
        scale = min(1.0, self.size / max(height, width))
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.cvtColor(cv2.resize(crop, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        sx, sy = small[0] / width, small[1] / height
        labels = self._labels(image.shape[:2], Box(box.x * sx, box.y * sy, box.w * sx, box.h * sy))
        # 2. Cut, if there are colors to learn, and scale the mask up.
        likely = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).sum()
        colors = np.ptp(image, axis=(0, 1)).any()
        if colors and _COMPONENTS <= likely <= labels.size - _COMPONENTS:
            cv2.setRNGSeed(0)  # GrabCut starts its clusters at random
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(image, labels, None, *models, self.iterations, cv2.GC_INIT_WITH_MASK)
            found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
            if found.any():
                smooth = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
                cut: Mask = smooth > 0.5
                return cut
        return inscribed_ellipse(crop.shape[:2], box)

    def _labels(self, shape: tuple[int, int], box: Box) -> Any:
        """Make the labels before the cut: GrabCut's four classes as uint8 (h, w)."""
        cv2 = self._cv2
        labels = np.full(shape, cv2.GC_BGD, np.uint8)
        labels[_pixels(_grown(box, 1 + 2 * self.margin), shape)] = cv2.GC_PR_BGD
        labels[inscribed_ellipse(shape, box)] = cv2.GC_PR_FGD
        labels[inscribed_ellipse(shape, _grown(box, self.core))] = cv2.GC_FGD
        return labels


def _grown(box: Box, factor: float) -> Box:
    """Scale the sides of a box by `factor` around its center."""
    x, y = box.center
    return Box(x - box.w * factor / 2, y - box.h * factor / 2, box.w * factor, box.h * factor)


def _visible(box: Box, shape: tuple[int, ...]) -> Box:
    """Clip a box to an (H, W) frame; the area is 0 if it is outside or a value is not finite."""
    if not all(math.isfinite(v) for v in box):
        return Box(0, 0, 0, 0)
    x1, y1, x2, y2 = box.xyxy
    x1, y1 = max(x1, 0.0), max(y1, 0.0)
    return Box(x1, y1, min(x2, shape[1]) - x1, min(y2, shape[0]) - y1)


def _pixels(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return slices of the rows and columns of an (H, W) array that a box touches. Its center must be inside."""
    x1, y1, x2, y2 = box.xyxy
    rows = slice(max(0, math.floor(y1)), min(math.ceil(y2), shape[0]))
    return rows, slice(max(0, math.floor(x1)), min(math.ceil(x2), shape[1]))


def inscribed_ellipse(shape: tuple[int, ...], box: Box) -> Mask:
    """Mark the pixels of an (H, W) array whose centers are in the ellipse inscribed in the box.

    Args:
        shape: height and width of the frame.
        box: left, top, width and height in pixels.

    Returns:
        A bool (H, W) array; all False if the box has no area.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.masks import inscribed_ellipse
        >>> inscribed_ellipse((3, 5), Box(1, 0, 3, 3)).astype(int)
        array([[0, 1, 1, 1, 0],
               [0, 1, 1, 1, 0],
               [0, 1, 1, 1, 0]])
    """
    if box.w <= 0 or box.h <= 0:
        return np.zeros(shape, np.bool_)
    (cx, cy), (rows, columns) = box.center, np.ogrid[: shape[0], : shape[1]]
    inside: Mask = ((columns + 0.5 - cx) / (box.w / 2)) ** 2 + ((rows + 0.5 - cy) / (box.h / 2)) ** 2 <= 1
    return inside
