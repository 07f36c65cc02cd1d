"""See what a network looks at in one frame: attention maps, edge distributions, and pictures of them."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.inspection.attention_maps import PAIRS, average_attention
    from mixformer.inspection.frame_inspection import FrameInspection, inspect_frame, inspect_tracker
    from mixformer.inspection.inspection_plots import plot_attention, plot_crops, plot_distributions, write_inspection
    from mixformer.inspection.network_maps import BlockAttention, Distributions, Grid, Inspection, inspect_attention

_HOMES = {
    "mixformer.inspection.attention_maps": ("PAIRS", "average_attention"),
    "mixformer.inspection.frame_inspection": ("FrameInspection", "inspect_frame", "inspect_tracker"),
    "mixformer.inspection.inspection_plots": ("plot_attention", "plot_crops", "plot_distributions", "write_inspection"),
    "mixformer.inspection.network_maps": ("BlockAttention", "Distributions", "Grid", "Inspection", "inspect_attention"),
}

__all__ = [
    "PAIRS",
    "BlockAttention",
    "Distributions",
    "FrameInspection",
    "Grid",
    "Inspection",
    "average_attention",
    "inspect_attention",
    "inspect_frame",
    "inspect_tracker",
    "plot_attention",
    "plot_crops",
    "plot_distributions",
    "write_inspection",
]

__getattr__, __dir__ = lazy_names(__name__, {name: home for home, names in _HOMES.items() for name in names})
