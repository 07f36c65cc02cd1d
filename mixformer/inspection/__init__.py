"""What a network looks at in one frame: attention weights, distributions of the box, and pictures of them.

    from mixformer.inspection import inspect_frame, write_inspection

    seen = inspect_frame("clip.mp4", box=(260, 29, 41, 142), frame=100)
    seen.result.blocks[-1].maps["search_to_template"]  # (s * s, t * t), averaged over heads
    seen.result.distributions.edges  # (4, bins)
    write_inspection(seen, "seen")

docs/inspection.md says how to read the pictures.
"""

from mixformer.inspection.attention import PAIRS, attention_sheet
from mixformer.inspection.curves import distributions_picture
from mixformer.inspection.frames import FrameInspection, inspect_frame, inspect_tracker
from mixformer.inspection.maps import BlockAttention, Distributions, Grid, Inspection, inspect_attention
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
