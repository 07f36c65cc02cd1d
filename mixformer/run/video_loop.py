"""The loop from videos to files: read, track, draw and write, one frame of each open video in turn.

`track_video` runs it with one video, `track_videos` with several at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Hashable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from mixformer.run.multi_target import ActiveTargets, Results, advance
from mixformer.run.outputs import TrackedFrame
from mixformer.run.resuming import Snapshot
from mixformer.run.video_run import VideoRun
from mixformer.run.video_task import VideoTask
from mixformer.tracking import MultiTracker
from mixformer.types import TrackResult
from mixformer.video.pipeline import pipelined
from mixformer.video.reader import VideoFrame

_PAUSE = 0.01  # seconds to wait while no video has a frame


@dataclass(frozen=True)
class Step:
    """A step of a video: it was opened, a frame was tracked and written, or it ended."""

    run: VideoRun  # the video
    kind: str  # "begin", "frame" or "end"
    tracked: tuple[VideoFrame, Results] | None = None  # a frame with its results, before it is drawn
    snapshot: Snapshot | None = None  # the targets after this frame, if the run can resume from it
    written: TrackedFrame | None = None  # the drawn and written frame; None before that, or if it failed
    error: Exception | None = None  # the exception of its drawing; it ends the video after the frames before it


def run_videos(
    tracker: MultiTracker, tasks: Iterator[VideoTask], concurrent_videos: int, pipeline: bool
) -> Generator[Step, None, None]:
    """Track videos, some at a time, and yield the steps of all. A video begins as soon as another ends.

    The tracker has no targets at first. With `pipeline`, reading, tracking, drawing and writing of different frames
    have a thread each. Closing the generator stops everything and leaves valid files.
    """
    # `_track` adds the videos to `runs`; this thread removes a video after its last step.
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
        for run in runs:  # videos that were stopped
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
            # 1. Open more videos, up to the limit.
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
            # 3. Remove the videos that ended or failed.
            for run in [run for run in active if run.ended or run.error or run.failure]:
                active.remove(run)
                run.attempt_frame(run.active.finish)
                run.active.remove_all()
                yield Step(run, "end")
    finally:
        for run in active:
            run.active.remove_all()


def _those_ready(active: list[VideoRun], over: threading.Event) -> list[VideoRun]:
    """List the videos that would not delay others. A single video is always in the list."""
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
    # A video that cannot be read is left out. The targets of all others are one batch.
    frames = [(run, frame) for run in active if (frame := run.attempt_frame(run.next)) is not None]
    found = _advance_all(tracker, frames)
    for run, frame in frames:
        results = run.attempt_frame(partial(run.active.results, frame, found))
        if results is not None:
            yield Step(run, "frame", (frame, results), run.snapshot(frame))


def _advance_all(tracker: MultiTracker, frames: list[tuple[VideoRun, VideoFrame]]) -> dict[Hashable, TrackResult]:
    """Find the targets of all videos in one batch; if that fails, of each by itself, so that only its error ends it."""
    try:
        return advance(tracker, [(run.active, frame) for run, frame in frames])
    except Exception:  # the tracker is as it was
        found = [run.attempt_frame(partial(advance, tracker, [(run.active, frame)])) for run, frame in frames]
        return {id: result for each in found if each for id, result in each.items()}


def _draw(step: Step) -> Step:
    """Draw a frame, in the pipeline's second thread."""
    if step.tracked is None:
        return step
    try:
        drawn = None if step.run.error else step.run.output.draw(*step.tracked)
        return replace(step, tracked=None, written=drawn)
    except Exception as error:  # other videos continue after every error
        return replace(step, tracked=None, error=error)


def _write(step: Step) -> Step:
    """Write a frame, or finish the files of a video, in the pipeline's third thread."""
    run, drawn = step.run, step.written
    run.error = run.error or step.error
    if step.kind == "end":
        run.finish()
    elif drawn is not None:
        run.attempt(partial(run.write, drawn, step.snapshot))
        if run.error is not None:
            return replace(step, written=None)
    return step
