"""Convert frames of callers to RGB uint8 (H, W, 3)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mixformer.errors import FrameError
from mixformer.types import Image

Color = Literal["rgb", "bgr"]


def as_rgb(frame: Any, color: Color = "rgb") -> Image:
    """Convert a frame to RGB uint8 (H, W, 3).

    Gray frames (H, W) or (H, W, 1) are spread over three channels; a fourth (alpha) channel is dropped.

    Args:
        frame: uint8 array.
        color: order of the channels of `frame`.

    Raises:
        FrameError: if it is not such an array; the message says how to convert it.

    Example:
        >>> import numpy as np
        >>> from mixformer.imaging import as_rgb
        >>> as_rgb(np.zeros((90, 120), np.uint8)).shape
        (90, 120, 3)
        >>> as_rgb(np.array([[[0, 0, 255]]], np.uint8), "bgr").tolist()
        [[[255, 0, 0]]]
    """
    if type(frame) is not np.ndarray:
        frame = _plain_array(frame)
    if frame.dtype != np.uint8:
        raise FrameError(
            f"a frame holds uint8 values 0..255, not {frame.dtype}; scale and convert it with .astype('uint8') first"
        )
    if frame.ndim == 2:
        frame = frame[..., None]
    if frame.ndim != 3 or frame.shape[2] not in (1, 3, 4):
        raise FrameError(f"a frame has the shape (height, width, 1, 3 or 4), not {frame.shape}; channels come last")
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise FrameError(f"the frame is empty: {frame.shape[1]} x {frame.shape[0]} pixels; check where it comes from")
    if frame.shape[2] == 1:
        frame = np.repeat(frame, 3, axis=2)
    rgb: Image = frame[..., :3]
    return rgb[..., ::-1] if color == "bgr" else rgb


def _plain_array(frame: Any) -> Any:
    """Convert `numpy.matrix`, which has other indexing, and arrays in files to plain arrays."""
    if not isinstance(frame, np.ndarray):
        advice = "the picture could not be read" if frame is None else "use numpy.asarray(...)"
        raise FrameError(f"a frame is a numpy array, not {type(frame).__name__}; {advice}")
    if isinstance(frame, np.ma.MaskedArray):
        raise FrameError("a frame has a value in every pixel; fill a masked array with .filled(0) first")
    return np.asarray(frame)
