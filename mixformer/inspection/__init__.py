"""See what a network looks at in one frame: attention maps, edge distributions, and pictures of them."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.inspection.attention_pictures import PAIRS, attention_sheet
    from mixformer.inspection.distributions import distributions_picture
    from mixformer.inspection.frame_inspection import FrameInspection, inspect_frame, inspect_tracker
    from mixformer.inspection.network_maps import BlockAttention, Distributions, Grid, Inspection, inspect_attention
    from mixformer.inspection.render import write_inspection

__all__ = [
    "PAIRS",
    "BlockAttention",
    "Distributions",
    "FrameInspection",
    "Grid",
    "Inspection",
    "attention_sheet",
    "distributions_picture",
    "inspect_attention",
    "inspect_frame",
    "inspect_tracker",
    "write_inspection",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BlockAttention": "mixformer.inspection.network_maps",
        "Distributions": "mixformer.inspection.network_maps",
        "FrameInspection": "mixformer.inspection.frame_inspection",
        "Grid": "mixformer.inspection.network_maps",
        "Inspection": "mixformer.inspection.network_maps",
        "PAIRS": "mixformer.inspection.attention_pictures",
        "attention_sheet": "mixformer.inspection.attention_pictures",
        "distributions_picture": "mixformer.inspection.distributions",
        "inspect_attention": "mixformer.inspection.network_maps",
        "inspect_frame": "mixformer.inspection.frame_inspection",
        "inspect_tracker": "mixformer.inspection.frame_inspection",
        "write_inspection": "mixformer.inspection.render",
    },
)
