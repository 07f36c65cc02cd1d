"""Track for several people: jobs wait in one queue, and a limited number of engines does them in turn.

A job is a generator that runs for a few seconds at a time. If others wait, it then goes to the end of the queue, so
that a long video does not block others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any

from mixformer.annotation.between import found_runs
from mixformer.annotation.found_edits import found_edits, is_second, may_pause
from mixformer.annotation.tracked_rows import STATUSES
from mixformer.annotation.web.project_desk import LETTERS, rounded
from mixformer.annotation.web.track_job import TrackJob
from mixformer.annotation.web.track_plan import boxes_to_find
from mixformer.errors import MixFormerError, StateError
from mixformer.tracking import MultiTracker

log = logging.getLogger(__name__)

_TURN = 2.0  # seconds after which another job may go on
_TELL = 0.2  # seconds between messages
_RELOAD = 3.0  # seconds after which pages read the saved boxes
_MOST_WAITING = 64
_PATIENCE = 5.0  # seconds that an edit, or a person who stops a job, waits for its end
_MEMORY = 128 * 2**20  # bytes of frames of one job that goes backward


class TrackQueue:
    """The jobs of a server."""

    def __init__(self, model: str, workers: int) -> None:
        """Make an empty queue, for `workers` engines of a model at a time, each made when it is first needed."""
        self._model, self._workers = model, workers
        self._waiting: deque[TrackJob] = deque()
        self._jobs: list[TrackJob] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, job: TrackJob) -> dict[str, Any]:
        """Put a job into the queue. Raises StateError if its video is being tracked already, or too many jobs wait."""
        with self._changed:
            if any(each.video == job.video for each in self._jobs):
                raise StateError("this video is being tracked already; stop that first")
            if len(self._jobs) >= _MOST_WAITING or self._closed:
                raise StateError(f"{len(self._jobs)} videos wait to be tracked already; try again later")
            job.desk.before_edit = lambda ids: self._make_way(job, ids)
            self._jobs.append(job)
            self._waiting.append(job)
            if len(self._threads) < min(self._workers, len(self._jobs)):
                self._threads.append(threading.Thread(target=self._work, name="track", daemon=True))
                self._threads[-1].start()
            self._changed.notify_all()
        job.desk.tell(job.news())
        return job.news()

    def jobs_of(self, video: str) -> list[dict[str, Any]]:
        """List the jobs of a video that wait or run."""
        with self._changed:
            return [job.news() for job in self._jobs if job.video == video]

    def stop(self, video: str) -> int:
        """Stop the jobs of a video and return their number. Boxes that they found are kept."""
        with self._changed:
            jobs = [job for job in self._jobs if job.video == video]
            for job in jobs:
                job.halt.set()
                if job in self._waiting:  # it has nothing left to do, so others need not have their turn before
                    self._waiting.remove(job)
                    self._waiting.appendleft(job)
            self._changed.notify_all()
        for job in jobs:
            job.ended.wait(_PATIENCE)
        return len(jobs)

    def close(self) -> None:
        """Stop all jobs and end the threads."""
        with self._changed:
            self._closed = True
            for job in self._jobs:
                job.halt.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(10)

    def _make_way(self, job: TrackJob, ids: list[int] | None) -> None:
        """Stop a job before a person edits one of its targets, since later boxes would not follow from the edit."""
        if threading.current_thread() not in self._threads and (ids is None or job.ids is None or {*ids} & {*job.ids}):
            self.stop(job.video)
            job.is_late = not job.ended.is_set()

    def _work(self) -> None:
        model: MultiTracker | None = None
        while (job := self._next()) is not None:
            try:
                if model is None:  # not falsy: a tracker without targets has the length 0
                    model = MultiTracker(self._model)
                over = self._advance(job, model)
            except Exception as error:
                if not isinstance(error, MixFormerError):
                    log.exception("tracking failed")
                job.error, over = str(error) or type(error).__name__, True
                job.state = "failed"
            if over:
                self._finish(job)
            else:
                with self._changed:
                    self._waiting.append(job)

    def _next(self) -> TrackJob | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _advance(self, job: TrackJob, model: MultiTracker) -> bool:
        """Continue a job for some seconds; return True when it is finished."""
        begin, fps = time.monotonic(), job.desk.project.video.fps
        if job.steps is None:
            job.state, job.reloaded = "running", begin
            job.steps = boxes_to_find(job, model, _MEMORY)
            job.desk.tell(job.news())
        for found in job.steps:
            job.unsaved.append(found)
            if found.way != "unjoined":
                job.untold.append(found)
            job.last = found.frame
            now = time.monotonic()
            if now - job.told > _TELL:
                self._tell(job)
            if is_second(job.unsaved, fps):
                self._save(job)
                if now - job.reloaded > _RELOAD:
                    job.reloaded = now
                    job.desk.tell_revision()
            if now - begin > _TURN and may_pause(found) and self._waiting and not job.halt.is_set():
                self._save(job)
                return False
        return True

    def _tell(self, job: TrackJob) -> None:
        runs = [
            {
                "id": run[0].target,
                "first": run[0].frame,
                **rounded(run),
                "kinds": "".join(LETTERS[STATUSES.index(each.status)] for each in run),
            }
            for run in found_runs(job.untold)
        ]
        job.told, job.untold = time.monotonic(), []
        job.desk.tell({**job.news(), "found": runs})

    def _save(self, job: TrackJob) -> None:
        """Put the found boxes into the project. All boxes of a job are undone as one step."""
        if job.unsaved and not job.is_late:
            edits, job.unsaved = found_edits(job.unsaved), []
            job.revision = job.desk.keep_found(edits, job.revision, job.person)

    def _finish(self, job: TrackJob) -> None:
        try:
            self._save(job)
            job.desk.tell_revision()
        except MixFormerError as error:
            job.state, job.error = "failed", str(error)
        if job.steps is not None:
            job.steps.close()  # type: ignore[attr-defined]
        if job.state != "failed":
            job.state = "stopped" if job.halt.is_set() else "done"
        with self._changed:
            self._jobs.remove(job)
        job.ended.set()
        job.desk.tell(job.news())
