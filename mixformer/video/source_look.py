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
    """The properties that an annotated video takes over from its source.

    Attributes:
        first: time of the first picture on the clock of the file, in seconds.
        matrix: color matrix, a number of FFmpeg's `AVColorSpace`; 2 if the file does not say.
        primaries: a number of `AVColorPrimaries`.
        transfer: a number of `AVColorTransferCharacteristic`.
        range: 2 for full range, 1 for the usual range of video, 0 if the file does not say.
        shape: width of a pixel divided by its height, after rotation.
        size: height and width of the pictures in pixels, after rotation.

    Example:
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> from mixformer.video.source_look import look_of
        >>> look_of(DEMO_CLIP).first
        0.0
    """

    first: float = 0.0
    matrix: int = _UNKNOWN
    primaries: int = _UNKNOWN
    transfer: int = _UNKNOWN
    range: int = 0
    shape: Fraction = Fraction(1)
    size: tuple[int, int] = (0, 0)


def look_of(path: str | Path) -> SourceLook | None:
    """Read the properties from the first picture of a video file; return None if none can be read."""
    try:
        with open_container(path) as container:
            stream = main_video(container) if container.streams.video else None
            frame: Any = next(container.decode(stream), None) if stream else None
            if stream is None or frame is None:
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
