"""The clip of `mixformer demo`."""

from pathlib import Path

from mixformer.types import Box

DEMO_CLIP = Path(__file__).parent / "orange_shirt.mp4"
"""A short video of people who walk through each other's way."""
DEMO_BOX = Box(260.0, 29.0, 41.0, 142.0)
"""The person in the orange shirt in the first frame of `DEMO_CLIP`."""
