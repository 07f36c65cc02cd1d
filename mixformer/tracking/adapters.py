"""The tracker in the call shapes of other libraries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mixformer.tracking.tracker import Tracker
from mixformer.types import Image


class OpenCVTracker:
    """`init(image, box)` and `update(image) -> (ok, box)` as OpenCV's trackers have them: BGR images, xywh boxes.

    Unlike theirs, boxes are floats; `ok` says whether the score is above `threshold`.
    """

    def __init__(self, *args: Any, threshold: float = 0.3, **kwargs: Any) -> None:
        """Everything but `threshold` goes to `Tracker`; `color` is "bgr" unless given."""
        self.tracker = Tracker(*args, **{"color": "bgr", **kwargs})
        self.threshold = threshold

    def init(self, image: Image, box: Iterable[float]) -> None:
        """Choose the target; see `Tracker.init`."""
        self.tracker.init(image, box)

    def update(self, image: Image) -> tuple[bool, tuple[float, float, float, float]]:
        """Find the target; see `Tracker.update`. A model without a score head is always ok."""
        result = self.tracker.update(image)
        x, y, w, h = result.box
        return result.score is None or result.score > self.threshold, (x, y, w, h)
