"""`mixformer track-all`."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.bars import TaskBars
from mixformer.cli.console import failure_text, make_console
from mixformer.cli.parser import add_executor, add_model, add_option, add_runtime, executor_from, require_cluster
from mixformer.cli.settings_options import add_settings
from mixformer.cli.track_options import add_live, make_tracker, tracker_factory
from mixformer.errors import ConfigError, MixFormerError, OutputError, counted
from mixformer.video.output_formats import OUTPUT_FORMATS

if TYPE_CHECKING:
    from mixformer.run import VideoJob
    from mixformer.run.executor import Events
    from mixformer.tracking import TrackerFactory

log = logging.getLogger(__name__)

DESCRIPTION = """Track targets through many videos. Running the command again resumes an interrupted run.

JOBS is a CSV file with a header, or a JSON list. Its columns are source; box ("x y w h") or targets (a file as for
mixformer track --targets, with one line for each target: no corrections); and, optionally, start, stop and name.
Paths are relative to the file. The results of a video go to OUT/NAME/, with done.json when they are complete. Earlier
results that are incomplete or have other settings are replaced when the new ones are complete. A video that fails does
not stop the others. The exit code is then 1, or 4 if every failure was a result that could not be written.

  mixformer track-all jobs.csv --out tracked
  mixformer track-all jobs.csv --out tracked --write json video --workers 4
  mixformer track-all jobs.csv --out /data/tracked --executor ray --workers 32 --gpus 0.25
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of `mixformer track-all`."""
    parser.add_argument("jobs", type=Path, help="CSV or JSON file of videos and targets")
    add_option(parser, "--out", Path, "folder for all results", Path("tracked"))
    kinds = ", ".join(f"{each.name} ({each.file_name})" for each in OUTPUT_FORMATS.values())
    add_option(parser, "--write", str, f"files to write for each video: {kinds}", ["json"], nargs="+", metavar="KIND")
    add_live(parser)
    where = parser.add_argument_group("where it runs")
    concurrent = "number of videos to track at a time in this process; their targets form one batch"
    add_option(where, "--concurrent-videos", int, concurrent, 4)
    add_executor(where, 0, "worker processes, each with its own model and one video at a time; 0: in this process")
    add_model(parser)
    add_runtime(parser)
    add_settings(parser)


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
        head = f"{counted(len(failed), 'video')} failed; the same command tries them again:"
        text = failure_text(head, {event.name: event.message for event in failed})
        raise (OutputError if unwritten else MixFormerError)(text)


def _check(options: Namespace) -> None:
    """Refuse numbers out of range, and options that need another one, before anything is loaded."""
    from mixformer.video.source_names import require_timeout

    if options.concurrent_videos < 1 or options.workers < 0:
        raise ConfigError("--concurrent-videos must be 1 or more, and --workers 0 or more")
    require_timeout(options.timeout)
    require_cluster(options)
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

    options.workers = min(options.workers, len(jobs))
    if options.workers:
        tasks = [(job.name, job) for job in jobs]
        yield from executor_from(options, factory.threads).run(VideoWork(factory), tasks)
    elif jobs:
        concurrent = min(options.concurrent_videos, len(jobs))
        yield from track_videos(jobs, tracker=make_tracker(options), concurrent_videos=concurrent)
