"""The mask refiner: a hook that turns a frame and a box into a mask."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mixformer.types import Box, Image

Mask = NDArray[np.bool_]
"""bool (H, W), one value for each pixel of the frame: True on the target."""


class MaskRefiner(Protocol):
    """A function that finds the pixels of the target in a box. Any function with this signature is a refiner.

    The tracker does not know masks. Its caller runs the refiner on the box of each frame, including the first one, and
    writes the mask as the result, as VOT requires since 2020:

        for frame, result in run_tracker(tracker, video, box):
            mask = refiner(frame.image, result.box)

    The mask depends only on the two arguments, not on earlier frames, and does not affect the tracker. So frames may be
    refined in any order, in several threads or only where needed, and one refiner serves any number of targets.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box
        >>> from mixformer.masks import MaskRefiner, inscribed_ellipse
        >>> def ellipse(frame, box):
        ...     return inscribed_ellipse(frame.shape[:2], box)
        >>> refiner: MaskRefiner = ellipse
        >>> refiner(np.zeros((90, 120, 3), np.uint8), Box(40, 30, 20, 20)).shape
        (90, 120)
    """

    def __call__(self, frame: Image, box: Box) -> Mask:
        """Find the mask of the target.

        Args:
            frame: RGB uint8 (H, W, 3); not changed.
            box: x, y, width, height in pixels of the frame, float, 0-based. It may reach over the border or lie
                outside, and is only as exact as the tracker.

        Returns:
            A new bool (H, W) array, True on the target; all False if nothing was found.
        """
        ...


@runtime_checkable
class TargetRefiner(Protocol):
    """A refiner that must first see its target, such as Alpha-Refine, which compares with features of the first frame.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box
        >>> from mixformer.masks import TargetRefiner, inscribed_ellipse, refiner_for
        >>> class SameSize:
        ...     def start(self, frame, box):
        ...         side = box.w  # what is known from the first frame
        ...         return lambda frame, box: inscribed_ellipse(frame.shape[:2], Box(box.x, box.y, side, side))
        >>> refiner: TargetRefiner = SameSize()
        >>> follow = refiner_for(refiner, np.zeros((90, 120, 3), np.uint8), Box(40, 30, 20, 20))
        >>> int(follow(np.zeros((90, 120, 3), np.uint8), Box(40, 30, 60, 60)).sum()) < 400
        True
    """

    def start(self, frame: Image, box: Box) -> MaskRefiner:
        """Return the refiner of a new target, also for this frame; arguments as for `MaskRefiner`."""
        ...


def refiner_for(refiner: MaskRefiner | TargetRefiner, frame: Image, box: Box) -> MaskRefiner:
    """Return the refiner of a target that is given in this frame: the same for all, or one of its own.

    Example:
        >>> import numpy as np
        >>> from mixformer import Box
        >>> from mixformer.masks import refiner_for
        >>> def nothing(frame, box):
        ...     return np.zeros(frame.shape[:2], bool)
        >>> refiner_for(nothing, np.zeros((9, 9, 3), np.uint8), Box(1, 1, 4, 4)) is nothing
        True
    """
    return refiner.start(frame, box) if isinstance(refiner, TargetRefiner) else refiner
