"""`mixformer demo`: `mixformer track` with the bundled clip."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli import track
from mixformer.cli.track_options import add_model_and_outputs
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

DESCRIPTION = """Track the person in the orange shirt in the bundled clip, and print the path of the annotated video.

  mixformer demo
  mixformer demo --json boxes.jsonl --out demo.mp4
"""
# The options of `mixformer track` that the command lacks.
_DEMO = {
    "source": str(DEMO_CLIP),
    "box": DEMO_BOX,
    "start": 0,
    "timeout": 10.0,
    **dict.fromkeys(("targets", "stop")),
    **dict.fromkeys(("show", "every_frame", "backward", "both_ways"), False),
}


def add_options(parser: ArgumentParser) -> None:
    """Add the options of `mixformer demo`."""
    add_model_and_outputs(parser)


def run(options: Namespace) -> None:
    """Track the person in the clip."""
    options.update(Namespace(_DEMO))
    track.run(options)
