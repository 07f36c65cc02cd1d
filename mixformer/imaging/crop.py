"""Cut the square crop around a box, and map boxes into it and back.

Training, tracking and evaluation all cut their images here. The crop side, half-to-even rounding, and a black border
that starts one pixel early at the right and bottom follow the official `sample_target` of
`lib/train/data/processing_utils.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixformer.errors import BoxError
from mixformer.imaging.resize import resize_image, resize_square
from mixformer.types import Box, Image

_LARGEST_SIDE = 1e9  # pixels; the limits of boxes and factors allow no larger one
_USUAL_PIXELS = 1 << 22  # a window of up to this many pixels is cut whole, even from a tiny frame


@dataclass(frozen=True)
class CropWindow:
    """A square of whole pixels of a frame. It may reach outside the frame.

    Attributes:
        left: first column in pixels.
        top: first row in pixels.
        side: width and height in pixels.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box
        >>> from mixformer.imaging import CropWindow
        >>> window = CropWindow.around(Box(40, 30, 20, 20), factor=2.0)
        >>> window
        CropWindow(left=30, top=20, side=40)
        >>> window.cut(np.zeros((90, 120, 3), np.uint8)).shape
        (40, 40, 3)
    """

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, box: Box, factor: float) -> CropWindow:
        """Make the square of side `ceil(sqrt(w * h) * factor)` centered on `box`, its corner rounded half to even.

        Raises:
            BoxError: if the box is not finite, its area is zero or negative, or the side is beyond 1e9 pixels.
        """
        if not all(math.isfinite(v) for v in box) or box.w <= 0 or box.h <= 0:
            raise BoxError(f"box {tuple(box)} has no area to crop around; give width and height above 0")
        length = math.sqrt(box.w * box.h) * factor
        if not 0 < length <= _LARGEST_SIDE:
            raise BoxError(f"box {tuple(box)} is too small or too large to crop {factor:g} times its size around it")
        side = math.ceil(length)
        return cls(round(box.x + 0.5 * box.w - 0.5 * side), round(box.y + 0.5 * box.h - 0.5 * side), side)

    def cut(self, frame: Image) -> Image:
        """Cut the pixels of the window, uint8 (side, side, 3), black outside the frame.

        As in the official code, if the window reaches the right (bottom) border, the frame's last column (row) is black
        too. A window inside the frame is returned as a view, without a copy.
        """
        height, width = frame.shape[:2]
        right, bottom = self.left + self.side, self.top + self.side
        x1, y1 = max(self.left, 0), max(self.top, 0)
        x2 = right - max(right - width + 1, 0)
        y2 = bottom - max(bottom - height + 1, 0)
        if (x1, y1, x2, y2) == (self.left, self.top, right, bottom):
            return frame[y1:y2, x1:x2]
        out = np.zeros((self.side, self.side, 3), np.uint8)
        if x2 > x1 and y2 > y1:
            out[y1 - self.top : y2 - self.top, x1 - self.left : x2 - self.left] = frame[y1:y2, x1:x2]
        return out

    def resize(self, frame: Image, size: int) -> Image:
        """Cut the window and resize it to uint8 (size, size, 3). Memory use does not grow with the window."""
        if not self.is_vast(frame):
            return resize_image(self.cut(frame), size, size)
        return resize_square(lambda rows, columns: self._read(frame, rows, columns), self.side, size)

    def is_vast(self, frame: Image) -> bool:
        """Tell whether the window is so much larger than the frame that `cut` would mostly return black pixels."""
        return bool(self.side * self.side > 4 * frame.shape[0] * frame.shape[1] + _USUAL_PIXELS)

    def _read(self, frame: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Image:
        """Read the pixels of the window at these rows and columns, as `cut` returns them."""
        height, width = frame.shape[:2]
        y, x = rows + self.top, columns + self.left
        inside_y = (y >= 0) & (y < min(self.top + self.side, height - 1))
        inside_x = (x >= 0) & (x < min(self.left + self.side, width - 1))
        out = np.zeros((len(y), len(x), 3), np.uint8)
        out[np.ix_(inside_y, inside_x)] = frame[np.ix_(y[inside_y], x[inside_x])]
        return out


def crop_target(frame: Image, box: Box, factor: float, size: int) -> tuple[Image, float]:
    """Cut the square around `box` and resize it to `size`.

    Args:
        frame: RGB uint8 (H, W, 3).
        box: xywh in pixels.
        factor: side of the square in units of sqrt(w * h).
        size: output side in pixels.

    Returns:
        The crop, uint8 (size, size, 3), and the scale `size / side` from frame pixels to crop pixels.

    Raises:
        BoxError: if the box has no area.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box
        >>> from mixformer.imaging import crop_target
        >>> region, scale = crop_target(np.zeros((90, 120, 3), np.uint8), Box(40, 30, 20, 20), factor=2.0, size=64)
        >>> region.shape, scale
        ((64, 64, 3), 1.6)
    """
    window = CropWindow.around(box, factor)
    return window.resize(frame, size), size / window.side


def cut_candidate(frame: Image, box: Box, factor: float, size: int) -> Image:
    """Cut the square around `box` for a later resize to `size`: uint8 (side, side, 3). A vast one is resized here."""
    window = CropWindow.around(box, factor)
    return window.resize(frame, size) if window.is_vast(frame) else window.cut(frame).copy()


def to_frame(location: tuple[float, float, float, float], previous: Box, scale: float, size: int) -> Box:
    """Map a box found in a search crop back to the frame.

    Args:
        location: center x, center y, width, height as fractions of the crop.
        previous: the box that the crop was cut around, xywh in frame pixels. Its center counts as the center of the
            crop: the rounding of the crop's corner, at most half a pixel, is not undone (official behavior).
        scale: crop pixels per frame pixel, as returned by `crop_target`.
        size: crop side in pixels.

    Returns:
        The box in frame pixels, not clipped.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.imaging import to_frame
        >>> to_frame((0.5, 0.5, 0.5, 0.5), previous=Box(40, 30, 20, 20), scale=1.6, size=64)
        Box(x=40.0, y=30.0, w=20.0, h=20.0)
    """
    cx, cy, w, h = (v * size / scale for v in location)
    half = 0.5 * size / scale
    px, py = previous.center
    return Box(cx + px - half - 0.5 * w, cy + py - half - 0.5 * h, w, h)


def to_crop(box: Box, center: tuple[float, float], scale: float, size: int, *, half_pixel: bool = False) -> Box:
    """Map a frame box into a crop, as fractions of the crop: the inverse of `to_frame`.

    Args:
        box: xywh in frame pixels.
        center: (x, y) in frame pixels, the center of the box that the crop was cut around.
        scale: crop pixels per frame pixel.
        size: crop side in pixels.
        half_pixel: use `(size - 1) / 2` as the crop's center, as the official training code does; the default
            `size / 2` agrees with tracking.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.imaging import to_crop
        >>> to_crop(Box(40, 30, 20, 20), center=(50, 40), scale=1.6, size=64)
        Box(x=0.25, y=0.25, w=0.5, h=0.5)
    """
    middle = (size - 1) / 2 if half_pixel else size / 2
    cx, cy = box.center
    w, h = box.w * scale, box.h * scale
    x = middle + (cx - center[0]) * scale - 0.5 * w
    y = middle + (cy - center[1]) * scale - 0.5 * h
    return Box(x / size, y / size, w / size, h / size)
