"""One video while it is tracked: its source, its targets and its results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from mixformer.errors import SourceError
from mixformer.run.absences import Absences
from mixformer.run.multi_target import ActiveTargets
from mixformer.run.outputs import TrackedFrame, VideoOutput, check_outputs
from mixformer.run.resume_places import forget
from mixformer.run.resuming import ResumeFile, ResumePoint, Snapshot, resume_file
from mixformer.run.video_summary import VideoSummary
from mixformer.run.video_task import VideoTask
from mixformer.video.live import Opening
from mixformer.video.reader import VideoFrame, VideoSource, open_video
from mixformer.video.video_formats import frames_of_segment

T = TypeVar("T")

_SAVE_EVERY = 0.5  # seconds


@dataclass(eq=False)
class VideoRun:
    """One video while it is tracked. Its first error is kept, and ends only this video."""

    task: VideoTask  # the video
    active: ActiveTargets  # its targets
    error: Exception | None = None  # the exception that ended it, or None
    failure: Exception | None = None  # the exception after whose frame none is read; earlier ones are still written
    total: int = 0  # number of frames to track, as known when the video was opened; 0 if unknown
    frames: int = 0  # number of written frames
    ended: bool = False  # there are no more frames
    over: threading.Event = field(default_factory=threading.Event)  # set when nobody wants the rest of any video
    opened: bool = False  # it was opened, or that failed
    _opening: Opening[VideoSource] | None = None
    _scores: list[float] = field(default_factory=lambda: [0.0, 0.0])  # sum and number of scores
    _absences: Absences = field(default_factory=Absences)
    _live: bool = False
    _begin: float = field(default_factory=time.perf_counter)
    _open: ExitStack = field(default_factory=ExitStack)
    _resume: ResumeFile | None = None
    _kept: ResumePoint | None = None  # point where an interrupted run is resumed
    _tracked: int = 0
    _saved: float = 0.0
    _newest: ResumePoint | None = None  # the newest point, if it is not saved yet
    _enough: bool = False  # nobody wants more frames
    _closed: bool = False

    def attempt(self, do: Callable[[], T]) -> T | None:
        """Call a function for this video and return its result; None after an error, now or before."""
        if self.error is None:
            try:
                return do()
            except Exception as error:  # other videos continue after every error
                self.error = error
        return None

    def attempt_frame(self, do: Callable[[], T]) -> T | None:
        """Do the same for the next frame: an error ends the video only after the frames before it are written."""
        if self.error is None and self.failure is None:
            try:
                return do()
            except Exception as error:  # other videos continue after every error
                self.failure = error
        return None

    def begin_opening(self) -> None:
        """Open an address or a camera in a separate thread, so that it delays no other video."""
        if self.task.may_stall():
            self._opening = Opening(partial(self.task.open, self.over))

    def ready(self) -> bool:
        """Tell whether opening, or reading the next frame, would not block."""
        if not self.opened:
            return self._opening is None or self._opening.done()
        return self.error is not None or self._video.ready()

    def open(self) -> None:
        """Open the video and all outputs."""
        # 1. Open the source.
        task, source = self.task, self.task.source
        if isinstance(source, VideoSource):  # which the caller closes
            self._video = task.open(self.over)
        else:
            self._video = self._open.enter_context(self._opening.result() if self._opening else task.open(self.over))
        self._live = self._video.live
        # 2. Check the outputs, and resume an interrupted run if there is one of the same task.
        settings = None if self._live else task.settings
        frames = self._video.start, self._video.stop
        self._resume = resume_file(task.outputs, self._video.name, frames, task.targets, settings)
        check_outputs(task.outputs, [self._video.name], overwrite=task.overwrite, going_on=self._resume is not None)
        ours = self._resume is not None and self._resume.is_ours()
        outputs = check_outputs(task.outputs, [self._video.name], overwrite=task.overwrite or ours)
        point = self._resume.find() if self._resume is not None and ours else None
        if point is not None:
            self._go_on(point)
        # 3. Open the outputs.
        self.total = self.frames + (0 if self._enough else self._video.frames_to_come or 0)
        self._segment = frames_of_segment(self._video.fps)
        self._frames = iter(self._video)
        how = {"ids": task.ids, "pictures": task.pictures, "overwrite": task.overwrite or ours}
        self.output = self._open.enter_context(VideoOutput(outputs, self._video, **how, point=point))
        if point is None and self._resume is not None:
            self._resume.begin()
        elif point is None:
            forget(outputs)

    def _go_on(self, point: ResumePoint) -> None:
        """Resume an interrupted run: read from its next frame on, and restore its targets."""
        following, stop, name = point.targets.next, self._video.stop, self._video.name
        if stop is not None and following >= stop:
            self.end()  # only the end was missing
        else:
            self._video = self._open.enter_context(open_video(name, following, stop, over=self.over))
        self.active.restore(point.targets.present, point.targets.waiting, point.targets.states)
        self._kept, self.frames, self._tracked = point, point.frames, point.frames
        self._scores, self._begin = list(point.scores), self._begin - point.seconds
        self._absences = Absences(point.absences, point.targets.next)

    def end(self) -> None:
        """End the video: no more frames are wanted."""
        self.ended = self._enough = True

    def next(self) -> VideoFrame | None:
        """Return the next frame, or None after the last."""
        try:
            frame = None if self._enough else next(self._frames, None)
        except SourceError:
            if self._kept is None or self._tracked > self._kept.frames:
                raise
            frame = None  # the interrupted run had tracked all frames
        # A source also ends when nobody wants the rest; that is a stop.
        self.ended = self._enough or (frame is None and not self.over.is_set())
        return frame

    def snapshot(self, frame: VideoFrame) -> Snapshot | None:
        """Return the targets after a tracked frame, if a run can resume from there."""
        self._tracked += 1
        if self._resume is None or self._tracked % self._segment:
            return None
        return Snapshot(frame.index + 1, *self.active.snapshot())

    def write(self, tracked: TrackedFrame, snapshot: Snapshot | None = None) -> None:
        """Write a drawn frame and count it. From time to time, save a point to resume from."""
        self.output.write(tracked)
        self.frames += 1
        self._absences.note(tracked.frame.index, tracked.results)
        for result in tracked.results.values():
            if result.score is not None and not result.is_initial:
                self._scores[0] += result.score
                self._scores[1] += 1
        if snapshot is not None:
            self._newest = self._point(snapshot, tracked)
            if time.perf_counter() > self._saved + _SAVE_EVERY:
                self._save_point()
                self._saved = time.perf_counter()

    def _save_point(self) -> None:
        if self._resume is not None and self._newest is not None:
            self._resume.add(self._newest)
        self._newest = None

    def _point(self, snapshot: Snapshot, tracked: TrackedFrame) -> ResumePoint:
        summary, height, width = self.summary(), *tracked.frame.image.shape[:2]
        return ResumePoint(
            targets=snapshot,
            frames=self.frames,
            scores=(self._scores[0], int(self._scores[1])),
            seconds=summary.seconds,
            skipped=summary.skipped,
            absences=summary.absences,
            marks=self.output.marks(),
            recent=list(self.output.recent),
            size=(height, width),
        )

    def close(self, whole: bool = False) -> None:
        """Finish all files, as far as they are valid: see `mixformer.video.drafts`.

        Unless everything is written (`whole`), the run was stopped, and the same command resumes it.
        """
        if self._closed:  # another thread has finished it, just before the caller left
            return
        # A camera has no end: stopping it is its end.
        whole = whole or self._live or self._enough
        self.error = self.error or self.failure
        stopped = self.error or (None if whole else KeyboardInterrupt())
        if stopped:
            self._save_point()  # before the drafts that it describes are renamed
        drafts = self._resume.drafts() if self._resume else {}
        try:
            if self.frames:
                self.task.begin()
            self._open.__exit__(type(stopped) if stopped else None, stopped, None)
        except Exception as error:  # such as a full disk, which has usually ended the video already
            stopped = self.error = self.error or error
        self._closed = True
        if self._resume is not None and self.opened:
            self._resume.stop(drafts) if stopped else forget(self.task.outputs)

    def finish(self) -> None:
        """Finish all files and, without an error, mark them complete."""
        self.close(whole=True)
        if self.error is None:
            self.attempt(lambda: self.task.finish(self.summary()))

    def result(self) -> VideoSummary:
        """Return the summary, or raise the error that ended the video."""
        if self.error is not None:
            raise self.error
        return self.summary()

    def summary(self) -> VideoSummary:
        """Sum up the written frames."""
        total, count = self._scores
        seconds = round(time.perf_counter() - self._begin, 3)
        mean, video = total / count if count else None, self._video
        before, kept = (self._kept.skipped, self._kept.frames) if self._kept else ((), 0)
        skipped = (*before, *(number for number in video.skipped if number not in before))
        lost = self._absences.stretches()
        return VideoSummary(self.frames, seconds, mean, skipped, video.cut_short, video.passed_over, kept, lost)
