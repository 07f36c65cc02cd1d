"""The loop from videos to files: read, track, draw and write, one frame of each open video in turn.

`track_video` runs it with one video, `track_videos` with several at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from mixformer.run.multi_target import ActiveTargets, Results, advance
from mixformer.run.outputs import TrackedFrame, VideoOutput, check_outputs
from mixformer.run.video_task import VideoTask
from mixformer.tracking import MultiTracker
from mixformer.video.live import Opening
from mixformer.video.pipeline import pipelined
from mixformer.video.reader import VideoFrame, VideoSource

T = TypeVar("T")

_PAUSE = 0.01  # seconds to wait while no video has a frame


@dataclass(frozen=True)
class VideoSummary:
    """Numbers of a tracked video.

    Attributes:
        frames: number of frames whose results are written.
        seconds: time from the start to the end; in `track_videos`, other videos took part of it.
        mean_score: mean of all scores except those of the given boxes (0..1); None without any.
        skipped: numbers of the unreadable frames.
        cut_short: says how the source ended before its end, as a file does of which a part is missing; else empty.
        passed_over: number of frames of a live source that were left out, since newer ones had come.

    Example:
        >>> from mixformer.run import VideoSummary
        >>> VideoSummary(frames=50, seconds=2.0, mean_score=0.9).fps
        25.0
    """

    frames: int
    seconds: float
    mean_score: float | None
    skipped: tuple[int, ...] = ()
    cut_short: str = ""
    passed_over: int = 0

    @property
    def fps(self) -> float:
        """Return the frames per second, with reading and writing."""
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass(eq=False)
class VideoRun:
    """One video while it is tracked. The first error is kept and ends this video alone."""

    task: VideoTask  # the video
    active: ActiveTargets  # its targets
    error: Exception | None = None  # the exception that ended it; None while all is well
    total: int = 0  # number of frames to come when the video was opened; 0 if that is not known
    frames: int = 0  # number of frames that are written
    ended: bool = False  # there are no more frames
    over: threading.Event = field(default_factory=threading.Event)  # nobody wants the rest of any video
    opened: bool = False  # it was opened, or that failed
    _opening: Opening[VideoSource] | None = None
    _scores: list[float] = field(default_factory=lambda: [0.0, 0.0])  # their sum and their number
    _live: bool = False
    _begin: float = field(default_factory=time.perf_counter)
    _open: ExitStack = field(default_factory=ExitStack)

    def attempt(self, do: Callable[[], T]) -> T | None:
        """Call a function for this video and return its result; None after an error, now or before."""
        if self.error is None:
            try:
                return do()
            except Exception as error:  # other videos continue after every error
                self.error = error
        return None

    def begin_opening(self) -> None:
        """Open an address or a camera in a thread of its own, so that it holds no other video up."""
        if self.task.may_stall():
            self._opening = Opening(partial(self.task.open, self.over))

    def ready(self) -> bool:
        """Tell whether opening, or the next frame, keeps nobody waiting."""
        if not self.opened:
            return self._opening is None or self._opening.done()
        return self.error is not None or self._video.ready()

    def open(self) -> None:
        """Open the video and all that is written."""
        task, source = self.task, self.task.source
        if isinstance(source, VideoSource):
            self._video = source
            self._video.end_with(self.over)
        elif self._opening is not None:
            self._video = self._open.enter_context(self._opening.result())
        else:
            self._video = self._open.enter_context(task.open(self.over))
        self._live = self._video.live
        outputs = check_outputs(task.outputs, [self._video.name], overwrite=task.overwrite)
        self.total = self._video.frames_to_come or 0
        self._frames = iter(self._video)
        output = VideoOutput(outputs, self._video, ids=task.ids, pictures=task.pictures, overwrite=task.overwrite)
        self._output = self._open.enter_context(output)

    def end(self) -> None:
        """Say that the frames so far are all that are wanted."""
        self.ended = True

    def next(self) -> VideoFrame | None:
        """Return the next frame, or None after the last."""
        frame = next(self._frames, None)
        self.ended = frame is None
        return frame

    def draw(self, frame: VideoFrame, results: Results) -> TrackedFrame:
        """Draw a tracked frame; see `VideoOutput.draw`."""
        return self._output.draw(frame, results)

    def write(self, tracked: TrackedFrame) -> None:
        """Write a drawn frame and count it."""
        self._output.write(tracked)
        self.frames += 1
        for result in tracked.results.values():
            if result.score is not None and not result.is_initial:
                self._scores[0] += result.score
                self._scores[1] += 1

    def close(self) -> None:
        """Put all files in their places, as far as they are valid: see `mixformer.video.drafts`."""
        # A camera has no end: stopping it is its end.
        stopped = self.error or (None if self.ended or self._live else KeyboardInterrupt())
        try:
            if self.frames:
                self.task.begin()
            self._open.__exit__(type(stopped) if stopped else None, stopped, None)
        except Exception as error:  # such as a full disk, which most often has ended the video already
            self.error = self.error or error

    def finish(self) -> None:
        """Finish all files and, if nothing went wrong, mark them complete."""
        self.close()
        if self.error is None:
            self.attempt(lambda: self.task.finish(self.summary()))

    def summary(self) -> VideoSummary:
        """Sum up what is written so far."""
        total, count = self._scores
        seconds = round(time.perf_counter() - self._begin, 3)
        mean, video = total / count if count else None, self._video
        return VideoSummary(self.frames, seconds, mean, tuple(video.skipped), video.cut_short, video.passed_over)


@dataclass(frozen=True)
class Step:
    """Something that happened to a video: it was opened, a frame was tracked and written, or it ended."""

    run: VideoRun  # the video
    kind: str  # "begin", "frame" or "end"
    tracked: tuple[VideoFrame, Results] | None = None  # a frame with its results, before it is drawn
    written: TrackedFrame | None = None  # a frame that is drawn and written; None otherwise, and if that failed


def run_videos(
    tracker: MultiTracker, tasks: Iterator[VideoTask], concurrent_videos: int, pipeline: bool
) -> Generator[Step, None, None]:
    """Track videos, some at a time, and write their results.

    Args:
        tracker: a tracker without targets.
        tasks: the videos; each begins when there is room.
        concurrent_videos: number of videos that are open at a time.
        pipeline: read, track, draw and write different frames at the same time, in threads.

    Returns:
        Steps of all videos. Closing the generator stops everything and leaves valid files.
    """
    # Tracking fills `runs`; this thread removes a video when its last step has come through the pipeline.
    runs: set[VideoRun] = set()
    over = threading.Event()
    tracked = _track(tracker, tasks, concurrent_videos, runs, over)
    steps = pipelined(tracked, _draw, _write, ahead=2 * concurrent_videos, threads=pipeline, over=over)
    try:
        with closing(steps):
            for step in steps:
                yield step
                if step.kind == "end":
                    runs.remove(step.run)
    finally:
        for run in runs:  # those that did not come to their end
            run.close()


def _track(
    tracker: MultiTracker,
    tasks: Iterator[VideoTask],
    concurrent_videos: int,
    runs: set[VideoRun],
    over: threading.Event,
) -> Iterator[Step]:
    """Open and track all videos. This is the pipeline's first thread; the open videos are in `runs`."""
    active: list[VideoRun] = []
    try:
        while True:
            # 1. Open further videos while there is room.
            while len(active) < concurrent_videos and (task := next(tasks, None)) is not None:
                run = VideoRun(task, ActiveTargets(tracker, task.targets, task.name), over=over)
                runs.add(run)
                active.append(run)
                if concurrent_videos > 1:
                    run.begin_opening()
            if not active or over.is_set():
                return
            ready = _those_ready(active, over)
            yield from _open_those(ready)
            # 2. Track the next frame of each video that has one, all in one batch.
            yield from _track_frames(tracker, ready)
            # 3. Remove the videos that ended or failed, to make room for others.
            for run in [run for run in active if run.ended or run.error]:
                active.remove(run)
                run.attempt(run.active.finish)
                run.active.remove_all()
                yield Step(run, "end")
    finally:
        for run in active:
            run.active.remove_all()


def _those_ready(active: list[VideoRun], over: threading.Event) -> list[VideoRun]:
    """Videos that keep no other waiting; a single one may wait as long as it likes."""
    ready = [run for run in active if len(active) == 1 or run.ready()]
    if not ready:
        over.wait(_PAUSE)
    return ready


def _open_those(ready: list[VideoRun]) -> Iterator[Step]:
    for run in [run for run in ready if not run.opened]:
        run.opened = True
        run.attempt(run.open)
        yield Step(run, "begin")


def _track_frames(tracker: MultiTracker, active: list[VideoRun]) -> Iterator[Step]:
    # A video that cannot be read drops out here; the targets of all others are one batch.
    frames = [(run, frame) for run in active if (frame := run.attempt(run.next)) is not None]
    found = advance(tracker, [(run.active, frame) for run, frame in frames])
    for run, frame in frames:
        results = run.attempt(partial(run.active.results, frame, found))
        if results is not None:
            yield Step(run, "frame", (frame, results))


def _draw(step: Step) -> Step:
    """Draw a frame, in the pipeline's second thread."""
    if step.tracked is None:
        return step
    return replace(step, tracked=None, written=step.run.attempt(partial(step.run.draw, *step.tracked)))


def _write(step: Step) -> Step:
    """Write a frame, or finish the files of a video, in the pipeline's third thread."""
    run, drawn = step.run, step.written
    if step.kind == "end":
        run.finish()
    elif drawn is not None:
        run.attempt(partial(run.write, drawn))
        if run.error is not None:
            return replace(step, written=None)
    return step
