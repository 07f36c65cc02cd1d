"""Collect real crops to compare and calibrate with: the inputs of a network while it tracks a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.configs.model import ModelConfig
from mixformer.engines import Engine
from mixformer.errors import SourceError
from mixformer.tracking import Tracker
from mixformer.types import EngineOutput, Image
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP


@dataclass(frozen=True)
class Crops:
    """Crops of a video, as the inputs of a network."""

    templates: Image  # (2, t, t, 3) uint8, the static template and a later one
    searches: Image  # (n, s, s, 3) uint8


def real_crops(engine: Engine, count: int, video: str | Path = DEMO_CLIP, box: Sequence[float] = DEMO_BOX) -> Crops:
    """Track a target through a video, and keep at most `count` search crops and two templates."""
    seen = _Recorder(engine)
    tracker = Tracker(seen)
    with open_video(video) as frames:
        images = (frame.image for frame in frames)
        first = next(images, None)
        if first is None:
            raise SourceError(f"{video} holds no frames; give another video")
        tracker.init(first, box)
        result = None
        for image in islice(images, count):
            result = tracker.update(image)
    if result is None:
        raise SourceError(f"{video} holds only one frame; give a video in which the target moves")
    tracker.init(image, result.box)  # makes a second template, from the last frame
    return Crops(np.stack([seen.templates[0][0, 0], seen.templates[-1][0, 0]]), np.concatenate(seen.searches))


def crop_batches(crops: Crops, batch: int, count: int) -> Iterator[tuple[Image, Image]]:
    """Yield batches of templates (B, N, t, t, 3) and searches (B, s, s, 3); the first ones fill up the last batch."""
    picks = np.arange(count) % len(crops.templates)
    for start in range(0, len(crops.searches), batch):
        rows = np.arange(start, start + batch) % len(crops.searches)
        orders = np.stack([np.roll(picks, row) for row in rows])  # not the same templates in every row
        yield crops.templates[orders], crops.searches[rows]


class _Recorder:
    """An engine that keeps copies of its inputs."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config
        self.templates: list[Image] = []
        self.searches: list[Image] = []

    config: ModelConfig

    def remember(self, templates: Image) -> Any:
        """See `Engine.remember`."""
        self.templates.append(templates.copy())
        return self.engine.remember(templates)

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        """See `Engine.locate`."""
        self.searches.append(search.copy())
        return self.engine.locate(search, memory)

    def join(self, memories: Sequence[Any]) -> Any:
        """See `Engine.join`."""
        return self.engine.join(memories)
