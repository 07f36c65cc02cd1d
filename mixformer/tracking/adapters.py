"""Adapters that give the tracker the method names of other libraries."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import BoxError, ConfigError, SourceError
from mixformer.imaging.boxes import parse_box
from mixformer.tracking.tracker import Tracker
from mixformer.types import FloatArray, Image


class OpenCVTracker:
    """A tracker with OpenCV's methods `init(image, box)` and `update(image) -> (ok, box)`: BGR images, xywh boxes.

    Unlike OpenCV's, its boxes are floats. `ok` is false while the target is lost; see `TrackResult.status`.

    Example:
        >>> import numpy as np
        >>> from mixformer import OpenCVTracker
        >>> tracker, image = OpenCVTracker(), np.zeros((120, 160, 3), np.uint8)
        >>> tracker.init(image, (40, 30, 50, 60))
        >>> ok, box = tracker.update(image)
        >>> len(box)
        4
    """

    def __init__(self, *args: Any, threshold: float | None = None, **kwargs: Any) -> None:
        """Make the tracker. `color` is "bgr" by default.

        Args:
            *args: arguments of `Tracker`.
            threshold: `ok` is also false if the score (0..1) is not above this.
            **kwargs: arguments of `Tracker`.
        """
        self.tracker = Tracker(*args, **{"color": "bgr", **kwargs})
        self.threshold = threshold
        self._score = 1.0

    def init(self, image: Image, box: Iterable[float]) -> None:
        """Choose the target; see `Tracker.init`."""
        self.tracker.init(image, box)
        self._score = 1.0

    def getTrackingScore(self) -> float:  # noqa: N802 (OpenCV's name)
        """Return the score (0..1) of the last frame, as OpenCV's NanoTrack does; 1 for a model without a score head."""
        return self._score

    def update(self, image: Image) -> tuple[bool, tuple[float, float, float, float]]:
        """Find the target, as `Tracker.update` does. Without a score head, `ok` is always true."""
        result = self.tracker.update(image)
        x, y, w, h = result.box
        self._score = 1.0 if result.score is None else result.score
        passed = self.threshold is None or self._score > self.threshold
        return passed and result.status != "lost", (x, y, w, h)


class Got10kTracker:
    """A tracker for the got10k toolkit and its experiments: `init(image, box)` and `update(image) -> box`.

    It also has `name`, `is_deterministic` and `track(files, box)`, as the toolkit requires, but does not inherit from
    its class. Images are PIL images or RGB arrays; boxes are xywh in the coordinates of the given box.

    Example:
        >>> import numpy as np
        >>> from mixformer.tracking import Got10kTracker
        >>> tracker, image = Got10kTracker(name="mine"), np.zeros((120, 160, 3), np.uint8)
        >>> tracker.init(image, (40, 30, 50, 60))
        >>> tracker.update(image).shape
        (4,)
    """

    is_deterministic = True  # the toolkit then runs each sequence once instead of three times

    def __init__(self, *args: Any, name: str = "mixformer", **kwargs: Any) -> None:
        """Make the tracker. `name` is for the result folder and reports; all other arguments are those of `Tracker`."""
        self.tracker, self.name = Tracker(*args, **kwargs), name

    def init(self, image: Any, box: Iterable[float]) -> None:
        """Choose the target; see `Tracker.init`."""
        self.tracker.init(_pixels(image), box)

    def update(self, image: Any) -> FloatArray:
        """Find the target; returns its box, (4,) xywh. See `Tracker.update`."""
        return np.array(self.tracker.update(_pixels(image)).box)

    def track(
        self, img_files: Sequence[str | Path], box: Iterable[float], visualize: bool = False
    ) -> tuple[FloatArray, FloatArray]:
        """Track through picture files.

        Args:
            img_files: pictures in order.
            box: target in the first picture, x, y, width, height in pixels.
            visualize: must be False; use `mixformer track --show` to draw.

        Returns:
            (n, 4) boxes, the first as given, and (n,) seconds for each picture without the time to read it.

        Raises:
            ConfigError: if `visualize` is True.
            SourceError: if there are no pictures, or one cannot be read.
            BoxError: if the box cannot be tracked.
        """
        if visualize:
            raise ConfigError("this adapter does not draw; use mixformer track --show, or track without visualize")
        if not len(img_files):
            raise SourceError("there are no pictures to track through; give one or more")
        boxes, times = np.zeros((len(img_files), 4)), np.zeros(len(img_files))
        boxes[0] = parse_box(box)
        for index, file in enumerate(img_files):
            try:
                with PillowImage.open(file) as picture:
                    image = np.asarray(picture.convert("RGB"))
            except (OSError, ValueError, SyntaxError) as error:  # Pillow's own kinds of damage
                raise SourceError(f"cannot read the picture {file}: {error}") from error
            begin = time.perf_counter()
            if index == 0:
                self.init(image, boxes[0])
            else:
                boxes[index] = self.update(image)
            times[index] = time.perf_counter() - begin
        return boxes, times


class PytrackingTracker:
    """A tracker with the methods of pytracking, STARK and the official MixFormer: `initialize` and `track`.

    Images are RGB arrays. It needs neither a parameter file nor the name of a data set.

    Example:
        >>> import numpy as np
        >>> from mixformer.tracking import PytrackingTracker
        >>> tracker, image = PytrackingTracker(), np.zeros((120, 160, 3), np.uint8)
        >>> tracker.initialize(image, {"init_bbox": [40, 30, 50, 60]})
        >>> sorted(tracker.track(image))
        ['best_score', 'target_bbox']
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the tracker; the arguments are those of `Tracker`."""
        self.tracker = Tracker(*args, **kwargs)

    def initialize(self, image: Any, info: Mapping[str, Any]) -> None:
        """Choose the target, `info["init_bbox"]` as xywh; other entries are ignored. See `Tracker.init`.

        Raises:
            BoxError: if there is no such entry, or the box cannot be tracked.
        """
        if "init_bbox" not in info:
            raise BoxError(
                f'the target must be in info["init_bbox"] as x, y, w, h; info has {", ".join(info) or "nothing"}'
            )
        self.tracker.init(_pixels(image), info["init_bbox"])

    def track(self, image: Any, info: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Find the target; see `Tracker.update`.

        Args:
            image: the next frame.
            info: not used.

        Returns:
            "target_bbox": [x, y, w, h]; "best_score": probability 0..1, NaN for a model without a score head.
        """
        result = self.tracker.update(_pixels(image))
        score = math.nan if result.score is None else result.score
        return {"target_bbox": list(result.box), "best_score": score}


def _pixels(image: Any) -> Any:
    """Convert a PIL image to an RGB array; return anything else unchanged."""
    return np.asarray(image.convert("RGB")) if isinstance(image, PillowImage.Image) else image
