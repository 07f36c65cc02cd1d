"""Time a tracker on frames in memory, with every update split into crop, network and rest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixformer.bench.schema import UpdateTimes
from mixformer.engines import Engine
from mixformer.tracking import Tracker
from mixformer.types import EngineOutput, FloatArray, Image

Times = NDArray[np.float64]
"""Seconds of updates (n, 3): crop (check the frame, cut out and resize the search region), network (including the
encoding of new templates and the search for a lost target), rest (map the box back, decide about templates)."""


def summarize(times: Times) -> UpdateTimes:
    """Compute percentiles of whole updates and medians of their parts, in milliseconds."""
    totals, parts = np.quantile(times.sum(1), (0.5, 0.95)), np.median(times, 0)
    return UpdateTimes(*(1e3 * np.concatenate([totals, parts])).tolist())


class TimedEngine:
    """An engine that records when it is called first, and the seconds of all calls, since `restart`."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config, self.join = engine, engine.config, engine.join
        self.restart()
        if hasattr(engine, "describe"):
            self.describe = self._describe

    def restart(self) -> None:
        """Forget all calls."""
        self.first: float | None = None
        self.seconds = 0.0

    def remember(self, templates: Image) -> Any:
        """See `Engine.remember`."""
        with self._timed():
            return self.engine.remember(templates)

    def _describe(self, template: Image) -> FloatArray:
        with self._timed():
            return self.engine.describe(template)  # type: ignore[attr-defined, no-any-return]

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        """See `Engine.locate`."""
        with self._timed():
            return self.engine.locate(search, memory)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.first = begin if self.first is None else self.first
        self.seconds += time.perf_counter() - begin


class TimedTracker:
    """A tracker that repeats a clip of at least two frames, RGB uint8 (H, W, 3), from a box in the first frame."""

    def __init__(self, engine: Engine, frames: Sequence[Image], box: Sequence[float]) -> None:
        self.engine = TimedEngine(engine)
        self.tracker = Tracker(self.engine)
        self.frames, self.box = frames, tuple(box)
        self._restart()

    def update(self) -> tuple[float, float, float]:
        """Track the next frame, and return the seconds of crop, network and rest; starting again is not timed."""
        if self._next == len(self.frames):
            self._restart()
        self.engine.restart()
        begin = time.perf_counter()
        self.tracker.update(self.frames[self._next])
        end = time.perf_counter()
        self._next += 1
        start, network = self.engine.first or end, self.engine.seconds
        return start - begin, network, max(end - start - network, 0.0)

    def run(self, frames: int, settle: int = 2) -> Times:
        """Time some frames. A few frames before them do not count, since threads of the last engine may still run."""
        for _ in range(settle):
            self.update()
        return np.array([self.update() for _ in range(frames)])

    def _restart(self) -> None:
        self.tracker.init(self.frames[0], self.box)
        self._next = 1
