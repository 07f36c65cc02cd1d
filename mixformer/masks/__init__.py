"""From a tracked box to the target's pixels."""

from mixformer.masks.refiner import Mask, MaskRefiner

__all__ = ["Mask", "MaskRefiner"]
