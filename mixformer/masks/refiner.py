"""The mask refiner: a hook that turns a frame and a box into a mask."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixformer.types import Box, Image

Mask = NDArray[np.bool_]
"""bool array of shape (H, W), one value per pixel of the frame, true on the target."""


class MaskRefiner(Protocol):
    """Finds the target's pixels, given its box. Any function with this signature is a refiner.

    The tracker does not know masks. Its caller runs the refiner on each frame and its box, also on the first frame,
    and writes the mask as the result for that frame, as VOT requires since 2020:

        for frame, result in run_tracker(tracker, video, box):
            mask = refiner(frame.image, result.box)

    A refiner is stateless: the mask depends on its two arguments alone, never on earlier frames, and nothing flows
    back into the tracker. So frames may be refined in any order, in several threads or only where needed, and one
    refiner serves any number of targets.

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
        """Mask of the target.

        Args:
            frame: RGB uint8 (H, W, 3); left as it is.
            box: x, y, width, height in pixels of the frame, float, 0-based; it may reach over the border or be
                wholly outside, and is as inexact as the tracker that made it.

        Returns:
            A new bool (H, W) array, true on the target; all false if there is nothing.
        """
        ...
