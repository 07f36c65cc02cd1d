"""A candidate at work on frames that lie in memory: every frame's time, split where the engine begins and ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mixformer.engines import Engine
from mixformer.tracking import Tracker, TrackState
from mixformer.types import EngineOutput, Image


@dataclass(frozen=True)
class FrameTime:
    """Seconds of one `Tracker.update`.

    Attributes:
        crop: before the network: checking the frame, cutting out the search region and resizing it.
        network: in the engine, encoding new templates included on the frames that do.
        rest: after it: mapping the box back, the rules for templates.
    """

    crop: float
    network: float
    rest: float

    @property
    def step(self) -> float:
        """Network and crop, which ratios are taken of."""
        return self.crop + self.network

    @property
    def total(self) -> float:
        """The whole update."""
        return self.crop + self.network + self.rest


class StopWatch:
    """An engine that another one works for, with the time of its last calls."""

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


class Session:
    """A tracker that goes round a clip.

    With `hold`, the box stays the given one: a network with random weights would lose itself, and cut out larger and
    larger windows.
    """

    def __init__(self, engine: Engine, frames: Sequence[Image], box: Sequence[float], hold: bool = False) -> None:
        """Start on the first frame.

        Args:
            engine: to be measured.
            frames: at least two, RGB uint8 (H, W, 3).
            box: x, y, width, height of the target in the first.
            hold: put the state after `init` back after every frame.

        Raises:
            BoxError: if the box cannot be tracked in the first frame.
        """
        self.watch = StopWatch(engine)
        self.tracker = Tracker(self.watch)
        self.frames, self.box, self.hold = frames, tuple(box), hold
        self._restart()

    def step(self) -> FrameTime:
        """Track the next frame; after the last one the clip starts again, which is not timed."""
        if self._next == len(self.frames):
            self._restart()
        watch, frame, before = self.watch, self.frames[self._next], self.tracker.state
        watch.remembered = 0.0
        begin = time.perf_counter()
        self.tracker.update(frame)
        end = time.perf_counter()
        self._next += 1
        if self.hold:
            self.tracker.state = before
        start, stop = watch.located
        after = max(end - stop - watch.remembered, 0.0)
        return FrameTime(start - begin, stop - start + watch.remembered, after)

    def visit(self, frames: int, settle: int = 2) -> list[FrameTime]:
        """Times of some frames, after a few that are not counted: threads of the candidate before must come to rest."""
        for _ in range(settle):
            self.step()
        return [self.step() for _ in range(frames)]

    def states(self, count: int) -> list[tuple[Image, TrackState]]:
        """The first frames after the first one, each with the state that it is tracked from; starts the clip again."""
        self._restart()
        found = []
        for _ in range(count):
            found.append((self.frames[self._next], self.tracker.state))
            self.step()
        self._restart()
        return found

    def boxes(self, states: Sequence[tuple[Image, TrackState]]) -> list[tuple[float, float, float, float]]:
        """Left, top, right and bottom in pixels found from given states, which may be those of another engine."""
        found, templates, memory = [], None, None
        for frame, state in states:
            if templates is not state.templates:
                templates = state.templates
                memory = self.watch.remember(templates[None])
            found.append(self.tracker.search(frame, replace(state, memory=memory)).mapped.xyxy)
        return found

    def _restart(self) -> None:
        self.tracker.init(self.frames[0], self.box)
        self._next = 1
