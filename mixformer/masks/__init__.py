"""From a tracked box to the pixels of the target."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.masks.grabcut import GrabCutRefiner, inscribed_ellipse
    from mixformer.masks.mask_files import MaskWriter, decode_rle, encode_rle
    from mixformer.masks.refiner import Mask, MaskRefiner

__all__ = ["GrabCutRefiner", "Mask", "MaskRefiner", "MaskWriter", "decode_rle", "encode_rle", "inscribed_ellipse"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "GrabCutRefiner": "mixformer.masks.grabcut",
        "Mask": "mixformer.masks.refiner",
        "MaskRefiner": "mixformer.masks.refiner",
        "MaskWriter": "mixformer.masks.mask_files",
        "decode_rle": "mixformer.masks.mask_files",
        "encode_rle": "mixformer.masks.mask_files",
        "inscribed_ellipse": "mixformer.masks.grabcut",
    },
)
