"""Inspect one frame: attention maps, edge distributions, and pictures of both."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.inspection.attention_maps import PAIRS as PAIRS, average_attention as average_attention
    from mixformer.inspection.frame_inspection import (
        FrameInspection as FrameInspection,
        inspect_frame as inspect_frame,
        inspect_tracker as inspect_tracker,
    )
    from mixformer.inspection.inspection_plots import (
        plot_attention as plot_attention,
        plot_crops as plot_crops,
        plot_distributions as plot_distributions,
        write_inspection as write_inspection,
    )
    from mixformer.inspection.network_maps import (
        BlockAttention as BlockAttention,
        Distributions as Distributions,
        Grid as Grid,
        Inspection as Inspection,
        inspect_attention as inspect_attention,
    )
else:
    __getattr__, __dir__, __all__ = lazy_names()
