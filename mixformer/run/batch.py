"""Several videos at once through one tracker: their targets make one batch, whoever's they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from mixformer.errors import MixFormerError
from mixformer.run.executor import Completed, Events, Failed, Progressed, Report, Started, Work, attempt
from mixformer.run.jobs import VideoJob
from mixformer.run.multi_target import ActiveTargets, Results, advance
from mixformer.run.outputs import Drawn, VideoOutput
from mixformer.tracking import MultiTracker
from mixformer.tracking.factory import TrackerFactory
from mixformer.video.pipeline import pipelined
from mixformer.video.reader import VideoFrame, open_video

T = TypeVar("T")


@dataclass(frozen=True)
class VideoSummary:
    """What was done of a video.

    Attributes:
        frames: tracked.
        seconds: from opening it to its end; other videos took part of them.
        mean_score: of all results but the given boxes; None without any.
        skipped: numbers of unreadable frames.
    """

    frames: int
    seconds: float
    mean_score: float | None
    skipped: tuple[int, ...] = ()


def track_videos(tracker: MultiTracker, jobs: Iterable[VideoJob], at_once: int = 4, *, threads: bool = True) -> Events:
    """Track many videos, some at a time, frame by frame in turn, and write their results.

    What goes wrong in a video ends that video alone. Its results up to there are valid but not marked complete.

    Args:
        tracker: without targets.
        jobs: each begins when there is room.
        at_once: videos that are open at a time.
        threads: draw and write while the next frames are tracked.

    Returns:
        Events: `Started`, `Progressed`, and `Completed` with a `VideoSummary` or `Failed`. Closing the iterator stops
        everything and leaves valid files.
    """
    runs: set[_Run] = set()
    steps = pipelined(_steps(tracker, iter(jobs), at_once, runs), _draw, _write, ahead=2 * at_once, threads=threads)
    try:
        with closing(steps):
            for step in steps:
                yield from step.run.tell(step)
                if step.what == "end":
                    runs.remove(step.run)
    finally:
        for run in runs:  # those that had no end
            run.close()


@dataclass(frozen=True)
class VideoWork:
    """Makes the function that tracks one video in a worker, for the executors of `mixformer.evaluation`.

    Attributes:
        plan: the model and its rules.
    """

    plan: TrackerFactory

    def __call__(self, number: int) -> Work:
        """Make that of worker `number`."""
        made = self.plan(number)
        tracker = MultiTracker(made.engine, made.config, on_resize="rescale")

        def work(job: VideoJob, report: Report) -> VideoSummary:
            with closing(track_videos(tracker, [job], 1)) as events:
                for event in events:
                    if isinstance(event, Progressed):
                        report(event.steps)
                    elif isinstance(event, Failed):
                        raise MixFormerError(event.message)
                    elif isinstance(event, Completed):
                        summary: VideoSummary = event.result
            return summary

        return work


class _Run:
    """One video on its way. The first thing that goes wrong is kept and ends it."""

    def __init__(self, job: VideoJob, tracker: MultiTracker) -> None:
        self.job, self.cast = job, ActiveTargets(tracker, job.targets, job.name)
        self.failure: Failed | None = None
        self.ended = False
        self.total, self._done, self._scores = 0, 0, [0.0, 0.0]
        self._begin, self._open = time.perf_counter(), ExitStack()

    def attempt(self, do: Callable[[], T]) -> T | None:
        """Do something for this video, unless something went wrong before; None if it does now."""
        if self.failure is not None:
            return None
        ended = attempt(lambda task, report: do(), self.job.name, None, lambda steps: None)
        if isinstance(ended, Failed):
            self.failure = ended
            return None
        result: T = ended.result
        return result

    def open(self) -> None:
        """Open the video and all that is written."""
        self._video = self._open.enter_context(open_video(self.job.source, self.job.start, self.job.stop))
        self.job.begin()
        self.total = max(0, (self._video.frame_count or 0) - self.job.start)
        self._frames = iter(self._video)
        self.output = self._open.enter_context(VideoOutput(self.job.paths, self._video, ids=True))

    def next(self) -> VideoFrame | None:
        """The next frame, None after the last."""
        frame = next(self._frames, None)
        self.ended = frame is None
        return frame

    def count(self, results: Results) -> None:
        """Note a frame whose results are written."""
        scores = [result.score for result in results.values() if result.score is not None and not result.is_initial]
        self._done += 1
        self._scores = [self._scores[0] + sum(scores), self._scores[1] + len(scores)]

    def close(self) -> None:
        """Finish all files."""
        self._open.close()

    def finish(self) -> None:
        """Finish all files and mark them complete."""
        self.close()
        self.summary = VideoSummary(
            self._done,
            round(time.perf_counter() - self._begin, 3),
            self._scores[0] / self._scores[1] if self._scores[1] else None,
            tuple(self._video.skipped),
        )
        self.job.finish(vars(self.summary))

    def tell(self, step: _Step) -> Iterator[Started | Progressed | Completed | Failed]:
        """What has happened."""
        if step.what == "begin":
            yield Started(self.job.name, self.total)
        elif step.what == "end":
            yield self.failure or Completed(self.job.name, self.summary)
        elif step.drawn is not None:
            yield Progressed(self.job.name, self._done)


@dataclass(frozen=True)
class _Step:
    """Something that happens to a video: its begin, a frame (tracked, then drawn), its end."""

    run: _Run
    what: str
    tracked: tuple[VideoFrame, Results] | None = None
    drawn: Drawn | None = None


def _steps(tracker: MultiTracker, jobs: Iterator[VideoJob], at_once: int, runs: set[_Run]) -> Iterator[_Step]:
    """All videos, tracked; those that are open are in `runs`."""
    active: list[_Run] = []
    try:
        while True:
            while len(active) < at_once and (job := next(jobs, None)) is not None:
                run = _Run(job, tracker)
                runs.add(run)
                run.attempt(run.open)
                active.append(run)
                yield _Step(run, "begin")
            if not active:
                return
            yield from _frame_of_each(tracker, active)
            for run in [run for run in active if run.ended or run.failure]:
                active.remove(run)
                run.attempt(run.cast.close)
                run.cast.release()
                yield _Step(run, "end")
    finally:
        for run in active:
            run.cast.release()


def _frame_of_each(tracker: MultiTracker, active: list[_Run]) -> Iterator[_Step]:
    """The next frame of each video, tracked in one batch."""
    frames = [(run, frame) for run in active if (frame := run.attempt(run.next)) is not None]
    found = advance(tracker, [(run.cast, frame) for run, frame in frames])
    for run, frame in frames:
        results = run.attempt(partial(run.cast.enter, frame, found))
        if results is not None:
            yield _Step(run, "frame", (frame, results))


def _draw(step: _Step) -> _Step:
    if step.tracked is None:
        return step
    return replace(step, tracked=None, drawn=step.run.attempt(partial(step.run.output.draw, step.tracked)))


def _write(step: _Step) -> _Step:
    run, drawn = step.run, step.drawn
    if step.what == "end":
        run.attempt(run.finish)
        run.close()
    elif drawn is not None and run.attempt(partial(run.output.write, drawn)) is not None:
        run.count(drawn.results)
    return step
