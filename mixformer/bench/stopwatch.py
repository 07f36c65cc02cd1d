"""A tracker on frames in memory, with the time of every update split into crop, network and rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from mixformer.bench.schema import UpdateTimes
from mixformer.engines import Engine
from mixformer.tracking import Tracker
from mixformer.types import EngineOutput, Image


@dataclass(frozen=True)
class UpdateTime:
    """Seconds of one `Tracker.update`.

    Attributes:
        crop: before the network: check the frame, cut out the search region, resize it.
        network: in the engine, with encoding a new template in the frames that do.
        rest: after it: map the box back, decide about templates.
    """

    crop: float
    network: float
    rest: float

    @property
    def step(self) -> float:
        """Crop and network; speedups are taken of this."""
        return self.crop + self.network

    @property
    def total(self) -> float:
        """The whole update."""
        return self.step + self.rest


def summarize(updates: Sequence[UpdateTime]) -> UpdateTimes:
    """Percentiles of whole updates and medians of their parts, in milliseconds."""
    totals = np.quantile([1e3 * each.total for each in updates], (0.5, 0.95, 0.99)).tolist()
    parts = [1e3 * median([getattr(each, part) for each in updates]) for part in ("crop", "network", "rest")]
    return UpdateTimes(*totals, *parts)


class TimedEngine:
    """An engine that remembers when its last calls ran."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config
        self.located = (0.0, 0.0)
        self.remembered = 0.0

    def remember(self, templates: Image) -> Any:
        """See `Engine.remember`."""
        begin = time.perf_counter()
        memory = self.engine.remember(templates)
        self.remembered += time.perf_counter() - begin
        return memory

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        """See `Engine.locate`."""
        begin = time.perf_counter()
        found = self.engine.locate(search, memory)
        self.located = (begin, time.perf_counter())
        return found

    def join(self, memories: Sequence[Any]) -> Any:
        """See `Engine.join`."""
        return self.engine.join(memories)


class TimedTracker:
    """A tracker that goes round a clip."""

    def __init__(self, engine: Engine, frames: Sequence[Image], box: Sequence[float], *, hold: bool = False) -> None:
        """Start on the first frame.

        Args:
            engine: to be measured.
            frames: at least two, RGB uint8 (H, W, 3).
            box: x, y, width, height of the target in the first frame, in pixels.
            hold: put the box back after every frame. A network with random weights would lose the target and cut out
                larger and larger regions.

        Raises:
            BoxError: if the box cannot be tracked in the first frame.
        """
        self.engine = TimedEngine(engine)
        self.tracker = Tracker(self.engine)
        self.frames, self.box, self.hold = frames, tuple(box), hold
        self._restart()

    def update(self) -> UpdateTime:
        """Track the next frame; after the last one the clip starts again, which is not timed."""
        if self._next == len(self.frames):
            self._restart()
        engine, frame, before = self.engine, self.frames[self._next], self.tracker.state
        engine.remembered = 0.0
        begin = time.perf_counter()
        self.tracker.update(frame)
        end = time.perf_counter()
        self._next += 1
        if self.hold:
            self.tracker.state = before
        start, stop = engine.located
        rest = max(end - stop - engine.remembered, 0.0)
        return UpdateTime(start - begin, stop - start + engine.remembered, rest)

    def run(self, frames: int, settle: int = 2) -> list[UpdateTime]:
        """Times of some frames, after a few that do not count while the threads of the last engine come to rest."""
        for _ in range(settle):
            self.update()
        return [self.update() for _ in range(frames)]

    def _restart(self) -> None:
        self.tracker.init(self.frames[0], self.box)
        self._next = 1
