"""Boxes, crops and pictures: geometry and pixels for all other packages."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.imaging.boxes import iou as iou, parse_box as parse_box, read_box as read_box
    from mixformer.imaging.colors import as_rgb as as_rgb
    from mixformer.imaging.crop import (
        CropWindow as CropWindow,
        crop_target as crop_target,
        to_crop as to_crop,
        to_frame as to_frame,
    )
    from mixformer.imaging.images import (
        PICTURES as PICTURES,
        is_picture as is_picture,
        list_pictures as list_pictures,
        natural_order as natural_order,
        read_depth as read_depth,
        read_image as read_image,
    )
    from mixformer.imaging.resize import resize_image as resize_image
else:
    __getattr__, __dir__, __all__ = lazy_names()
