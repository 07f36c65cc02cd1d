"""`mixformer track-all`."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from mixformer.cli.bars import TaskBars
from mixformer.cli.console import make_console
from mixformer.cli.executor_options import executor_from
from mixformer.cli.track_options import all_parser as parser, tracker_factory
from mixformer.errors import ConfigError, MixFormerError, OutputError, counted, first_few

if TYPE_CHECKING:
    from mixformer.run import VideoJob
    from mixformer.run.executor import Events, Failed
    from mixformer.tracking import TrackerFactory

__all__ = ["parser", "run"]

log = logging.getLogger(__name__)

_SHOWN = 20  # failed videos


def run(options: Namespace) -> None:
    """Track the videos that are not complete, and raise an error if one failed."""
    from mixformer.files import make_folder
    from mixformer.run import Completed, Failed, read_jobs

    console = make_console(quiet=options.quiet)
    _check(options)
    factory = tracker_factory(options)
    settings = {key: value for key, value in factory.settings().items() if key != "threads"}
    opening = {"timeout": options.timeout, "every_frame": options.every_frame}
    jobs = [replace(job, opening=opening) for job in read_jobs(options.jobs, options.out, options.write, settings)]
    waiting = [job for job in jobs if not job.complete()]
    _warn_of_waiting(options, waiting)
    make_folder(options.out)
    ends: list[Completed | Failed] = []
    with TaskBars(len(waiting), options.quiet, "videos") as bars, closing(_events(options, factory, waiting)) as events:
        for event in events:
            bars.listen(event)
            if isinstance(event, Completed | Failed):
                ends.append(event)
    done = [event.result.frames for event in ends if isinstance(event, Completed)]
    kept = f", {len(jobs) - len(waiting)} were complete" if len(waiting) < len(jobs) else ""
    console.print(
        f"{counted(len(done), 'video')} tracked, {counted(sum(done), 'frame')}{kept}; wrote {options.out.resolve()}"
    )
    failed = [event for event in ends if isinstance(event, Failed)]
    if failed:
        unwritten = all(event.kind == OutputError.__name__ for event in failed)
        raise (OutputError if unwritten else MixFormerError)(_failures(failed))


def _check(options: Namespace) -> None:
    """Refuse numbers out of range before anything is loaded."""
    from mixformer.video.source_names import require_timeout

    if options.concurrent_videos < 1 or options.workers < 0:
        raise ConfigError("--concurrent-videos must be 1 or more, and --workers 0 or more")
    require_timeout(options.timeout)
    if options.executor == "ray" and options.workers < 1:
        raise ConfigError("a Ray cluster needs --workers, 1 or more")


def _warn_of_waiting(options: Namespace, jobs: list[VideoJob]) -> None:
    """Say that videos would wait for cameras to end, which they may never do."""
    from mixformer.video.cameras import is_camera
    from mixformer.video.live import never_ends

    option = "--workers" if options.workers else "--concurrent-videos"
    places: int = options.workers or options.concurrent_videos
    endless = [job.name for job in jobs if job.stop is None and (is_camera(job.source) or never_ends(job.source))]
    if len(endless) >= places and len(jobs) > places:
        log.warning(
            "%s may never end, and only %s tracked at a time, so the others may never begin; give %s %d, or a stop",
            counted(len(endless), "camera"),
            f"{counted(places, 'video')} {'is' if places == 1 else 'are'}",
            option,
            min(len(jobs), len(endless) + (len(endless) < len(jobs))),
        )


def _events(options: Namespace, factory: TrackerFactory, jobs: list[VideoJob]) -> Events:
    """Track the videos here or in workers."""
    from mixformer.run import VideoWork, track_videos
    from mixformer.tracking import MultiTracker

    options.workers = min(options.workers, len(jobs))
    if options.workers:
        tasks = [(job.name, job) for job in jobs]
        yield from executor_from(options, factory.threads).run(VideoWork(factory), tasks)
    elif jobs:
        tracker = MultiTracker(options.model, factory.config, runtime=factory.runtime, on_resize="rescale")
        yield from track_videos(jobs, tracker=tracker, concurrent_videos=min(options.concurrent_videos, len(jobs)))


def _failures(failed: list[Failed]) -> str:
    lines = [f"  {line}" for line in first_few((f"{event.name}: {event.message}" for event in failed), _SHOWN)]
    return "\n".join([f"{counted(len(failed), 'video')} failed; the same command tries them again:", *lines])
