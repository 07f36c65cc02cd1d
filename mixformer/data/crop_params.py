"""Random parameters of crops and samples, and the rendering of their pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixformer.imaging.crop import CropWindow
from mixformer.types import Box, FloatArray, Image

GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a gray level."""
LONGEST_BLUR = 5
"""Largest length of a blur in pixels."""


@dataclass(frozen=True)
class Sample:
    """One training sample."""

    templates: Image  # uint8 (N, t, t, 3)
    search: Image  # uint8 (s, s, 3)
    box: FloatArray  # (4,) float64 xyxy as fractions of the search crop, not clipped
    present: float  # 1.0 if the target is in the search crop, else 0.0


@dataclass(frozen=True)
class CropParams:
    """Parameters of one crop. `render` makes its pixels here; `mixformer.data.gpu` makes them on another device."""

    frame: Image  # RGB uint8 (H, W, 3) to cut from
    window: CropWindow  # square of the frame
    size: int  # side of the crop in pixels
    box: Box  # the target in the finished crop, as fractions of it
    flip: bool  # mirror the crop
    gray: bool  # remove its colors
    blur: tuple[int, int] | None  # length in pixels and axis of the blur, or None
    contrast: tuple[float, NDArray[np.float32]] | None  # factor, and factors of the three channels, or None
    gain: float  # brightness factor
    nearest: bool  # round to the nearest level instead of down

    def render(self) -> Image:
        """Make the crop, uint8 (size, size, 3)."""
        image = self.window.resize(self.frame, self.size)
        if self.flip:
            image = image[:, ::-1]
        if self.blur is not None:
            image = _blur(image, *self.blur)
        return self._light(image)

    def trimmed(self) -> CropParams:
        """Return the same parameters with a copy of only that part of the frame that the crop needs."""
        height, width = self.frame.shape[:2]
        left, top, side = self.window.left, self.window.top, self.window.side
        x1, y1 = min(max(left, 0), width), min(max(top, 0), height)
        # One pixel more than the window: it shows whether the window reaches the border.
        x2, y2 = min(max(left + side + 1, x1), width), min(max(top + side + 1, y1), height)
        part = self.frame[y1:y2, x1:x2].copy()
        return replace(self, frame=part, window=CropWindow(left - x1, top - y1, side))

    def _light(self, image: Image) -> Image:
        values = image.astype(np.float32)
        if self.gray:
            values = np.repeat((values @ np.array(GRAY, np.float32))[..., None], 3, -1)
        if self.contrast is not None:
            middle = values.mean()
            values = middle + (values - middle) * self.contrast[0]
            values *= self.contrast[1]
        values *= self.gain
        if self.nearest:
            values = np.rint(values)
        return np.clip(values, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class SampleParams:
    """Parameters of a sample: template crops, the search crop last, and whether the target is present."""

    crops: tuple[CropParams, ...]
    present: bool

    @property
    def box(self) -> FloatArray:
        """The target in the search crop, see `Sample.box`."""
        return np.array(self.crops[-1].box.xyxy)

    def trimmed(self) -> SampleParams:
        """Return the same parameters without the pixels that no crop needs."""
        return replace(self, crops=tuple(crop.trimmed() for crop in self.crops))

    def render(self) -> Sample:
        """Make the sample."""
        *templates, search = [crop.render() for crop in self.crops]
        return Sample(np.stack(templates), search, self.box, float(self.present))


def shows_frame(window: CropWindow, height: int, width: int, size: int) -> bool:
    """Return whether some cell of a 16-pixel grid over the crop shows only the frame (official `processing.py`)."""
    grid = max(1, size // 16)
    cells = np.arange(grid) * size // grid
    return all(
        bool(frame_part(start, window.side, length, size)[cells].any())
        for start, length in ((window.left, width), (window.top, height))
    )


def frame_part(start: int, side: int, length: int, size: int) -> NDArray[np.bool_]:
    """Mark the columns (or rows) of a crop that are interpolated from pixels of the frame only: (size,) bool.

    `start` and `side` are those of the window, and `length` that of the frame, in pixels.
    """
    position = (np.arange(size) + 0.5) * side / size - 0.5
    first = np.floor(position).astype(int)
    low, high = max(-start, 0), min(side, length - start - (start + side >= length))
    left, right = np.clip(first, 0, side - 1), np.clip(first + (position > first), 0, side - 1)
    inside: NDArray[np.bool_] = (left >= low) & (right < high)
    return inside


def _blur(image: Image, length: int, axis: int) -> Image:
    """Average `length` copies of the picture, each shifted one pixel further along the axis."""
    padded = np.pad(image.astype(np.float32), [(length, length) if a == axis else (0, 0) for a in range(3)], "edge")
    parts = [np.take(padded, range(s, s + image.shape[axis]), axis) for s in range(length, 2 * length)]
    blurred: Image = np.mean(parts, 0).astype(np.uint8)
    return blurred
