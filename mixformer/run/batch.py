"""Track many videos to files: some at a time in this process, or one at a time in each worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from mixformer.errors import ConfigError, shown
from mixformer.files.open_files import allow_open_files
from mixformer.run.executor import Completed, Event, Events, Progressed, Report, Started, Work, failed
from mixformer.run.jobs import VideoJob
from mixformer.run.video_loop import Step, run_videos
from mixformer.run.video_summary import VideoSummary
from mixformer.run.video_task import VideoTask, settings_of
from mixformer.tracking import MultiTracker
from mixformer.tracking.factory import TrackerFactory

_FILES, _FILES_OF_A_VIDEO = 48, 8  # open files of a process, and for each video with all its outputs


def track_videos(
    jobs: Iterable[VideoJob],
    *,
    tracker: MultiTracker | None = None,
    concurrent_videos: int = 4,
    pipeline: bool = True,
) -> Events:
    """Track many videos, some at a time, frame by frame in turn, and write their results.

    The targets of all open videos make one batch. An error ends only its own video; its results so far are valid but
    not marked complete. If a call was interrupted or killed, the same call resumes it.

    Args:
        jobs: the videos; see `read_jobs`. A video begins as soon as another ends.
        tracker: a tracker without targets; None takes the default model.
        concurrent_videos: number of videos that are open at a time.
        pipeline: read, track, draw and write different frames at the same time, in threads.

    Returns:
        An iterator of events: `Started`, `Progressed`, and `Completed` with a `VideoSummary` or `Failed`. Closing it
        stops everything and leaves valid files.

    Raises:
        ConfigError: if `concurrent_videos` is not 1 or more, or the system allows too few open files for so many.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.run import Completed, VideoJob, track_videos
        >>> from mixformer.video import Target
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> jobs = [VideoJob("demo", str(DEMO_CLIP), (Target(1, DEMO_BOX),), Path("tracked/demo"), stop=3)]
        >>> for event in track_videos(jobs):
        ...     if isinstance(event, Completed):
        ...         print(event.name, event.result.frames)
        demo 3
        >>> sorted(path.name for path in Path("tracked/demo").iterdir())
        ['boxes.jsonl', 'done.json']
    """
    if type(concurrent_videos) is not int or concurrent_videos < 1:
        raise ConfigError(f"concurrent_videos must be a whole number, 1 or more, not {shown(concurrent_videos)}")
    need = _FILES + _FILES_OF_A_VIDEO * concurrent_videos
    if (limit := allow_open_files(need)) < need:
        raise ConfigError(
            f"{concurrent_videos} videos at a time may need {need} open files, but the system allows {limit}; raise "
            "the limit, for example with `ulimit -n 4096`, or track fewer at a time (--concurrent-videos)"
        )
    if tracker is None:  # not falsy: a tracker without targets has the length 0
        tracker = MultiTracker(on_resize="rescale")
    with closing(run_videos(tracker, _tasks(jobs, tracker), concurrent_videos, pipeline)) as steps:
        for step in steps:
            if event := _event(step):
                yield event


def _tasks(jobs: Iterable[VideoJob], tracker: MultiTracker) -> Iterator[VideoTask]:
    """Make a task of each job. If a job has no settings, use those of the tracker."""
    found = None
    for job in jobs:
        task = job.task()
        if task.settings is None and not task.may_stall():
            found = found or settings_of(tracker)
            task = replace(task, settings=found)
        yield task


def _event(step: Step) -> Event | None:
    run, name = step.run, step.run.task.name
    if step.kind == "begin":
        return Started(name, run.total)
    if step.kind == "end":
        return failed(name, run.error) if run.error else Completed(name, run.summary())
    return Progressed(name, run.frames) if step.written is not None else None


@dataclass(frozen=True)
class VideoWork:
    """Make the function that tracks one video in a worker, for the executors of `mixformer.run`.

    Attributes:
        factory: function that makes the tracker of each worker.

    Example:
        >>> from mixformer.configs import TrackerConfig
        >>> from mixformer.run import ProcessExecutor, VideoWork
        >>> from mixformer.tracking import TrackerFactory
        >>> work = VideoWork(TrackerFactory("mixformerv2_dino_s8", TrackerConfig()))
        >>> events = ProcessExecutor(workers=2).run(work, [])  # no videos, so nothing is started
        >>> list(events)
        []
    """

    factory: TrackerFactory

    def __call__(self, number: int) -> Work:
        """Make the function of worker `number`."""
        made = self.factory(number)
        tracker = MultiTracker(made.engine, made.config, on_resize="rescale")

        def work(job: VideoJob, report: Report) -> VideoSummary:
            with closing(run_videos(tracker, _tasks([job], tracker), 1, True)) as steps:
                for step in steps:
                    report(step.run.frames)
            return step.run.result()

        return work
