"""`mixformer track`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from mixformer.cli.ask import ask_box
from mixformer.cli.bars import FrameBar
from mixformer.cli.console import make_console
from mixformer.cli.corrected_track import needs_project, note_of, project_of, run_project
from mixformer.cli.parser import add_flag, add_option, add_source, runtime_from
from mixformer.cli.track_options import (
    add_live,
    add_model_and_outputs,
    make_tracker,
    outputs_from,
    targets_of,
    tracker_factory,
)
from mixformer.errors import SourceError, counted, first_few

if TYPE_CHECKING:
    from mixformer.run import TrackedFrame, VideoSummary

DESCRIPTION = """Track one target or several through a video, a folder of pictures, a webcam or a stream.

A box is x, y, width, height in pixels, counted from 0 at the top left. Frames count from 0.

Without --out, --json, --csv and --mot, the annotated video goes to NAME_tracked.mp4 in the current
folder, or to NAME_tracked_2.mp4 and so on if that exists. The command never replaces a result that
you name, unless you add --overwrite. While it runs, the results are in NAME.partial.ENDING, valid at
any time. After Ctrl-C, SIGTERM or an error they get their final names, unless a file has that name.
The same command then resumes (docs/results.md). To track several videos, use mixformer track-all.

  mixformer track clip.mp4 --box 260 29 41 142
  mixformer track frames/ --box 260 29 41 142 --out annotated.mp4 --json boxes.jsonl
  mixformer track clip.mp4 --start 100 --box 260 29 41 142 --csv boxes.csv
  mixformer track rtsp://camera/stream --box 260 29 41 142 --show
  mixformer track clip.mp4 --box 260 29 41 142 --masks masks/
  mixformer track clip.mp4 --targets targets.csv --mot boxes.txt       (lines: frame,id,x,y,w,h)
  mixformer track clip.mp4 --targets corrected.csv --both-ways --json boxes.jsonl
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of `mixformer track`."""
    add_source(parser, "the first frame")
    targets = (
        "file of several targets: CSV or text with lines x,y,w,h or frame,id,x,y,w,h or frame,id,x,y,w,h,stop, or "
        "JSON (docs/many.md). Every result then has the id of its target. Several lines of one id correct its track: "
        "each applies from its frame to the frame of the next line. A line without a box means that the target is "
        "absent from that frame on (docs/annotation.md)"
    )
    add_option(parser, "--targets", Path, targets, metavar="FILE")
    add_flag(parser, "--backward", "track backward in time from each box, also to frames before --start")
    add_flag(parser, "--both-ways", "track forward and backward from each box, and join both tracks between two boxes")
    add_option(parser, "--start", int, "number of the first frame, which --box belongs to", 0)
    add_option(parser, "--stop", int, "number after the last frame")
    add_live(parser)
    add_flag(parser, "--show", "show the frames in a window while tracking")
    add_model_and_outputs(parser)


def run(options: Namespace) -> None:
    """Track as the options say."""
    from mixformer.engines import select_engine
    from mixformer.run import check_outputs, track_video
    from mixformer.video import open_video
    from mixformer.weights.catalog import files_of_model

    # 1. Check everything that is quick to check before the model is loaded.
    several = options.targets is not None
    inputs = [options.source, *([options.targets] if several else []), *files_of_model(options.model)]
    wanted = outputs_from(options, options.source, lambda outputs: _goes_on(options, outputs))
    outputs = check_outputs(wanted, inputs, overwrite=options.overwrite, going_on=True)
    if needs_project(options):
        run_project(options, outputs, inputs)
        return
    if options.box is None and not several and sys.stdin.isatty():
        options.box = ask_box(options.source, options.start)  # while no camera is open: it can be opened only once
    live = {"timeout": options.timeout, "every_frame": options.every_frame}
    with ExitStack() as stack:
        video = stack.enter_context(open_video(options.source, options.start, options.stop, **live))
        targets = targets_of(options)
        tracker = make_tracker(options)
        # 2. Track; the bar and the window see each frame when its results are written.
        summary = track_video(
            video,
            targets,
            outputs,
            tracker=tracker,
            ids=several,
            pipeline=not options.no_pipeline,
            pictures=options.show,
            overwrite=options.overwrite,
            settings=tracker_factory(options).settings(),
            on_frame=_Viewer(stack, options.quiet, video.frames_to_come, video.name if options.show else None),
        )
    choice = select_engine(options.model, runtime_from(options))
    how = f"engine {choice.engine}, {choice.precision}, on {choice.device}"
    _report(summary, how, outputs.values(), make_console(quiet=options.quiet))


def _goes_on(options: Namespace, outputs: Mapping[str, Path]) -> bool:
    """Tell whether the results are those of this very command, which was interrupted."""
    from mixformer.run.resume_places import resume_path
    from mixformer.run.resuming import resume_file

    path = resume_path(outputs)
    if path is None or not path.is_file() or not (options.box or options.targets):
        return False
    if needs_project(options):
        found = note_of(options, outputs, project_of(options))
    else:
        frames, settings = (options.start, options.stop), tracker_factory(options).settings()
        found = resume_file(outputs, options.source, frames, targets_of(options), settings)
    return found is not None and found.is_ours()


class _Viewer:
    """Shows a bar of the frames and, if there is a title, a window."""

    def __init__(self, stack: ExitStack, quiet: bool, total: int | None, title: str | None) -> None:
        from mixformer.video.window import Window

        self._window = None if title is None else stack.enter_context(Window(title))
        self._bar = stack.enter_context(FrameBar(total, quiet))

    def __call__(self, tracked: TrackedFrame) -> bool:
        self._bar.count()
        return self._window is None or tracked.picture is None or self._window.show(tracked.picture)


def _report(summary: VideoSummary, how: str, paths: Iterable[Path], console: Console) -> None:
    from mixformer.run.absences import frames_text

    score = "" if summary.mean_score is None else f", mean score {summary.mean_score:.2f}"
    rate = f"{summary.fps:.3g} FPS with reading and writing"
    console.print(f"{counted(summary.frames, 'frame')} in {summary.seconds:.1f} s ({rate}){score}; {how}")
    if summary.kept:
        console.print(f"resumed after the first {counted(summary.kept, 'frame')} of an interrupted run")
    for number, stretches in summary.absences.items():
        who = f"target {number}" if len(summary.absences) > 1 or number != 1 else "the target"
        console.print(f"{who} was lost in {frames_text(stretches)}")
    if summary.skipped:
        shown = ", ".join(first_few(map(str, summary.skipped), 10))
        make_console(stderr=True).print(f"skipped {counted(len(summary.skipped), 'unreadable frame')}: {shown}")
    for path in paths:
        console.print(f"wrote {path.resolve()}")
    if summary.passed_over:
        skipped = counted(summary.passed_over, "frame")
        console.print(f"skipped {skipped} that arrived while the tracker was busy; --every-frame keeps them")
    if summary.cut_short:
        raise SourceError(f"{summary.cut_short}; the frames until then are tracked and written")
