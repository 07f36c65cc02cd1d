"""Frozen values that cross module borders. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""RGB uint8 image of shape (H, W, 3)."""

FloatArray = NDArray[np.float64]


class Box(NamedTuple):
    """Axis-aligned box in pixels: left, top, width, height. 0-based, float, may reach over the frame's border."""

    x: float
    y: float
    w: float
    h: float

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) of the middle in pixels."""
        return self.x + 0.5 * self.w, self.y + 0.5 * self.h

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels."""
        return self.x, self.y, self.x + self.w, self.y + self.h


@dataclass(frozen=True)
class EngineOutput:
    """What an engine finds in a batch of search crops.

    Attributes:
        boxes: (B, 4) float64 center x, center y, width, height as fractions of the search crop (0..1, unclipped).
        scores: (B,) float64 logits that the target is in the crop, or None for a model without a score head.
    """

    boxes: FloatArray
    scores: FloatArray | None


@dataclass(frozen=True)
class TrackResult:
    """One tracked frame.

    Attributes:
        box: target box in pixels of the frame, xywh, 0-based.
        score: probability (0..1) that the box holds the target; None when the model has no score head;
            1.0 for the frame of `init`.
        frame_index: 0 for the frame given to `init`, then counting up by one per `update`.
        template_updated: True when this frame committed a new online template.
        time: seconds from the start of the source, or None if the source has no clock.
        raw: engine output before mapping (fractions of the search crop), for debugging; None on the first frame.
    """

    box: Box
    score: float | None
    frame_index: int
    template_updated: bool = False
    time: float | None = None
    raw: tuple[float, float, float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form of one line of results: `frame`, `time`, `box`, `score`."""
        return {
            "frame": self.frame_index,
            "time": None if self.time is None else round(self.time, 6),
            "box": [round(float(v), 3) for v in self.box],
            "score": None if self.score is None else round(float(self.score), 5),
        }
