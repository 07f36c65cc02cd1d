"""Read how the pictures of a video file are shown: clock, colors and shape of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from mixformer.imaging.containers import main_video, open_container

_UNKNOWN = 2  # "unspecified" in all of FFmpeg's lists of colors
_BT709, _BT601 = 1, 6
_FULL = 2
_HD = 720  # with at least this many lines, players assume BT.709


@dataclass(frozen=True)
class SourceLook:
    """The properties that an annotated video takes over from its source."""

    first: float = 0.0  # time of the first picture on the clock of the file, in seconds
    matrix: int = _UNKNOWN  # color matrix, a number of FFmpeg's `AVColorSpace`
    primaries: int = _UNKNOWN  # a number of `AVColorPrimaries`
    transfer: int = _UNKNOWN  # a number of `AVColorTransferCharacteristic`
    range: int = 0  # 2 for full range, 1 for the usual range of video, 0 if the file does not say
    shape: Fraction = Fraction(1)  # width of a pixel divided by its height, after rotation
    size: tuple[int, int] = (0, 0)  # height and width of the pictures in pixels, after rotation


def look_of(path: str | Path) -> SourceLook | None:
    """Read the properties from the first picture of a video file; return None if none can be read."""
    try:
        with open_container(path) as container:
            stream = main_video(container)
            frame: Any = next(container.decode(stream), None)
            if frame is None:
                return None
            known: Any = stream.codec_context
            height, width = frame.height, frame.width
            shape = Fraction(stream.sample_aspect_ratio or known.sample_aspect_ratio or 1)
            if round(getattr(frame, "rotation", 0) / 90) % 2:
                height, width, shape = width, height, 1 / shape
            matrix = int(frame.colorspace)
            return SourceLook(
                first=frame.time or 0.0,
                matrix=_UNKNOWN if matrix == 0 else matrix,
                primaries=int(known.color_primaries),
                transfer=int(known.color_trc),
                range=int(frame.color_range),
                shape=shape,
                size=(height, width),
            )
    except (av.FFmpegError, OSError, ValueError, IndexError, ZeroDivisionError):
        return None


def look_of_pictures(height: int) -> SourceLook:
    """Return the properties that players expect of a video of this many lines, for pictures that are no video."""
    colors = _BT709 if height >= _HD else _BT601
    return SourceLook(matrix=colors, primaries=colors, transfer=colors, range=1)
