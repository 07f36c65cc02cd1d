"""Values that all parts of the package share. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixformer.errors import warn_deprecated

Image = NDArray[np.uint8]
"""RGB uint8 image of shape (H, W, 3)."""

FloatArray = NDArray[np.float64]

Status = Literal["tracking", "uncertain", "lost"]
"""Whether a target is there: "tracking", "uncertain" or "lost"."""

StatusArray = NDArray[np.str_]
"""Statuses of frames, (n,) words."""


class Box(NamedTuple):
    """An axis-aligned box in pixels: left, top, width, height. It is 0-based and may reach over the frame's border.

    Example:
        >>> from mixformer import Box
        >>> Box(10, 20, 30, 40).center
        (25.0, 40.0)
        >>> Box(10, 20, 30, 40).xyxy
        (10, 20, 40, 60)
    """

    x: float
    y: float
    w: float
    h: float

    @property
    def center(self) -> tuple[float, float]:
        """Return the (x, y) of the middle in pixels."""
        return self.x + 0.5 * self.w, self.y + 0.5 * self.h

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom in pixels."""
        return self.x, self.y, self.x + self.w, self.y + self.h


@dataclass(frozen=True)
class EngineOutput:
    """The targets that an engine finds in a batch of search crops.

    Attributes:
        boxes: (B, 4) float64 center x, center y, width, height as fractions of the search crop (0..1, unclipped).
        scores: (B,) float64 logits that the target is in the crop, or None for a model without a score head.
    """

    boxes: FloatArray
    scores: FloatArray | None


def renamed(old: str, new: str) -> Any:
    """Make a property that reads the attribute `new` under its old name, with a `DeprecationWarning`."""

    def read(self: object) -> Any:
        warn_deprecated(f"{type(self).__name__}.{old} is now called {type(self).__name__}.{new}")
        return getattr(self, new)

    return property(read, doc=f"Old name of `{new}`.")


@dataclass(frozen=True)
class TrackResult:
    """The target in one frame.

    Attributes:
        box: box of the target in pixels of the frame: x, y, width, height, 0-based.
        score: probability (0..1) that the box holds the target. None when the model has no score head; 1.0 in the
            frame where the target was given.
        frame: number of the frame: 0 where the target was given, one more for each update. `mixformer.run` writes the
            number in the source instead.
        template_updated: a new online template was stored in this frame.
        time: seconds from the start of the source; None if the source has no clock.
        crop_box: box before it was mapped to the frame: center x, center y, width, height as fractions of the search
            crop. None where the target was given.
        is_initial: the box was given by the caller, not found.
        status: "tracking"; "uncertain" while the scores leave it open; "lost" while the target is most likely not at
            the box. A model without a score head always says "tracking".

    Example:
        >>> from mixformer import Box, TrackResult
        >>> result = TrackResult(Box(10, 20, 30, 40), score=0.9, frame=5)
        >>> result.to_dict()
        {'frame': 5, 'time': None, 'box': [10.0, 20.0, 30.0, 40.0], 'score': 0.9, 'status': 'tracking'}
    """

    box: Box
    score: float | None
    frame: int
    template_updated: bool = False
    time: float | None = None
    crop_box: tuple[float, float, float, float] | None = None
    is_initial: bool = False
    status: Status = "tracking"

    frame_index = renamed("frame_index", "frame")
    raw = renamed("raw", "crop_box")

    def to_dict(self) -> dict[str, Any]:
        """Return what one line of a JSON result file holds: `frame`, `time`, `box`, `score`, `status`."""
        return {
            "frame": self.frame,
            "time": None if self.time is None else round(self.time, 6),
            "box": [round(float(v), 3) for v in self.box],
            "score": None if self.score is None else round(float(self.score), 5),
            "status": self.status,
        }
