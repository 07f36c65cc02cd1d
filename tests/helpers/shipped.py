"""What the shipped model sees on the bundled clip, and the plain network's answers: for the tests beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine, Runtime, create_engine
from mixformer.imaging.crop import CropWindow
from mixformer.tracking import Tracker
from mixformer.types import Box, EngineOutput, Image
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

STEPS = 5


@dataclass(frozen=True)
class Seen:
    """Crops of forced steps, around the boxes of the float32 network in PyTorch, and what that network found.

    `sides` are those of the crops in pixels of the frame.
    """

    templates: Image
    searches: Image
    sides: np.ndarray
    expected: EngineOutput


class _Recorder:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config
        self.templates: list[Image] = []
        self.searches: list[Image] = []
        self.found: list[EngineOutput] = []

    def remember(self, templates: Image) -> Any:
        self.templates.append(templates)
        return self.engine.remember(templates)

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        self.searches.append(search.copy())
        self.found.append(self.engine.locate(search, memory))
        return self.found[-1]

    def join(self, memories: Sequence[Any]) -> Any:
        return self.engine.join(memories)


@cache
def seen() -> Seen:
    """The clip's first steps."""
    recorder = _Recorder(
        create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="torch", precision="float32", threads=1))
    )
    tracker = Tracker(recorder)
    sides = []
    with open_video(DEMO_CLIP, 0, STEPS + 1) as video:
        images = (frame.image for frame in video)
        tracker.init(next(images), Box(*DEMO_BOX))
        for image in islice(images, STEPS):
            sides.append(CropWindow.around(tracker.state.box, tracker.config.search_factor).side)
            tracker.update(image)
    boxes = np.concatenate([found.boxes for found in recorder.found])
    scores = np.concatenate([found.scores for found in recorder.found])
    return Seen(recorder.templates[0], np.concatenate(recorder.searches), np.array(sides), EngineOutput(boxes, scores))


def pixels_apart(engine: Engine) -> np.ndarray:
    """(STEPS,) largest difference of an edge to the plain network's, in pixels of the frame."""
    steps = seen()
    memory = engine.remember(steps.templates)
    found = np.concatenate([engine.locate(search[None], memory).boxes for search in steps.searches])
    edges = [
        np.concatenate([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2], 1) for b in (found, steps.expected.boxes)
    ]
    return np.abs(edges[0] - edges[1]).max(1) * steps.sides
