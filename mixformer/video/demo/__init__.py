"""The clip of `mixformer demo`."""

from pathlib import Path

DEMO_CLIP = Path(__file__).parent / "orange_shirt.mp4"
DEMO_BOX = (260.0, 29.0, 41.0, 142.0)
