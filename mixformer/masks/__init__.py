"""Find and write the pixels of the target in a tracked box."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.masks.grabcut import GrabCutRefiner as GrabCutRefiner, inscribed_ellipse as inscribed_ellipse
    from mixformer.masks.mask_files import MaskWriter as MaskWriter, decode_rle as decode_rle, encode_rle as encode_rle
    from mixformer.masks.refiner import (
        Mask as Mask,
        MaskRefiner as MaskRefiner,
        TargetRefiner as TargetRefiner,
        refiner_for as refiner_for,
    )
else:
    __getattr__, __dir__, __all__ = lazy_names()
