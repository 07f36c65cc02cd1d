"""Convert frames to RGB uint8 (H, W, 3)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mixformer.errors import FrameError
from mixformer.types import Image

Color = Literal["rgb", "bgr"]


def as_rgb(frame: Any, color: Color = "rgb") -> Image:
    """Convert a frame to RGB uint8 (H, W, 3).

    The channel of a gray frame is repeated three times. A fourth channel (alpha) is dropped.

    Args:
        frame: uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        color: order of the channels of `frame`.

    Raises:
        FrameError: if the frame is another kind of array; the message says how to convert it.

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
        raise FrameError(f"the frame is empty: {frame.shape[1]} x {frame.shape[0]} pixels; check its source")
    if frame.shape[2] == 1:
        frame = np.repeat(frame, 3, axis=2)
    rgb: Image = frame[..., :3]
    return rgb[..., ::-1] if color == "bgr" else rgb


def _plain_array(frame: Any) -> Any:
    """Convert a `numpy.matrix`, which is indexed differently, or an array in a file to a plain array."""
    if not isinstance(frame, np.ndarray):
        advice = "check that the picture could be read" if frame is None else "convert it with numpy.asarray(...)"
        raise FrameError(f"a frame is a numpy array, not {type(frame).__name__}; {advice}")
    if isinstance(frame, np.ma.MaskedArray):
        raise FrameError("a frame has a value in every pixel; fill a masked array with .filled(0) first")
    return np.asarray(frame)
