"""Boxes, crops and pictures: the geometry and pixels that every other room builds on."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.imaging.boxes import iou, parse_box
    from mixformer.imaging.colors import as_rgb
    from mixformer.imaging.crop import CropWindow, crop_target, to_crop, to_frame
    from mixformer.imaging.images import PICTURES, is_picture, list_pictures, natural_order, read_image
    from mixformer.imaging.resize import resize_image

__all__ = [
    "PICTURES",
    "CropWindow",
    "as_rgb",
    "crop_target",
    "iou",
    "is_picture",
    "list_pictures",
    "natural_order",
    "parse_box",
    "read_image",
    "resize_image",
    "to_crop",
    "to_frame",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PICTURES": "mixformer.imaging.images",
        "CropWindow": "mixformer.imaging.crop",
        "as_rgb": "mixformer.imaging.colors",
        "crop_target": "mixformer.imaging.crop",
        "iou": "mixformer.imaging.boxes",
        "is_picture": "mixformer.imaging.images",
        "list_pictures": "mixformer.imaging.images",
        "natural_order": "mixformer.imaging.images",
        "parse_box": "mixformer.imaging.boxes",
        "read_image": "mixformer.imaging.images",
        "resize_image": "mixformer.imaging.resize",
        "to_crop": "mixformer.imaging.crop",
        "to_frame": "mixformer.imaging.crop",
    },
)
