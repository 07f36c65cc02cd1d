"""`mixformer track` and `mixformer demo`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace
from rich.console import Console

from mixformer.cli.annotate import needs_project, run_project
from mixformer.cli.bars import FrameBar
from mixformer.cli.console import make_console
from mixformer.cli.track_options import demo_parser, make_tracker, outputs_from, track_parser, tracker_settings
from mixformer.errors import BoxError, ConfigError, SourceError, counted, first_few
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

if TYPE_CHECKING:
    from mixformer.run import TrackedFrame, VideoSummary
    from mixformer.video import Target, VideoSource


__all__ = ["demo_parser", "run", "track_parser"]


def run(options: Namespace) -> None:
    """Track as the options say."""
    from mixformer.cli.parser import runtime_from
    from mixformer.engines import select_engine
    from mixformer.run import check_outputs, track_video
    from mixformer.video import Target

    demo = "source" not in options
    source = str(DEMO_CLIP) if demo else options.source
    several, show = (False, False) if demo else (options.targets is not None, options.show)
    # 1. Check everything that is quick to check before the model is loaded.
    inputs = [source, *([options.targets] if several else [])]
    wanted = outputs_from(options, source, lambda outputs: _goes_on(options, source, outputs))
    outputs = check_outputs(wanted, inputs, overwrite=options.overwrite, going_on=True)
    if not demo and needs_project(options):
        run_project(options, outputs)
        return
    with ExitStack() as stack:
        video = stack.enter_context(_open(source, options))
        targets = [Target(1, DEMO_BOX)] if demo else targets_of(options)
        tracker = make_tracker(options)
        # 2. Track; the bar and the window see each frame when its results are written.
        on_frame = _Viewer(stack, options.quiet, video.frames_to_come, video.name if show else None)
        pipeline = not options.no_pipeline
        summary = track_video(
            video,
            targets,
            outputs,
            tracker=tracker,
            ids=several,
            pipeline=pipeline,
            pictures=show,
            overwrite=options.overwrite,
            settings=tracker_settings(options),
            on_frame=on_frame,
        )
    choice = select_engine(options.model, runtime_from(options))
    how = f"engine {choice.engine}, {choice.precision}, on {choice.device}"
    _report(summary, how, outputs.values(), make_console(quiet=options.quiet))


def _goes_on(options: Namespace, source: str, outputs: Mapping[str, Path]) -> bool:
    """Tell whether the results are those of this very command, which was interrupted."""
    from mixformer.run.resuming import resume_file, resume_path
    from mixformer.video import Target

    demo = "source" not in options
    if not resume_path(outputs).is_file() or not (demo or options.box or options.targets):
        return False
    targets = [Target(1, DEMO_BOX)] if demo else targets_of(options)
    frames = (0, None) if demo else (options.start, options.stop)
    found = resume_file(outputs, source, frames, targets, tracker_settings(options))
    return found is not None and found.is_ours()


def _open(source: str, options: Namespace) -> VideoSource:
    """Open the source, from which the options may take a part."""
    from mixformer.video import open_video

    if "source" not in options:  # the demo
        return open_video(source)
    return open_video(source, options.start, options.stop, timeout=options.timeout, every_frame=options.every_frame)


class _Viewer:
    """Shows a bar of the frames and, if there is a title, a window."""

    def __init__(self, stack: ExitStack, quiet: bool, total: int | None, title: str | None) -> None:
        from mixformer.video.window import Window

        self._window = None if title is None else stack.enter_context(Window(title))
        self._bar = stack.enter_context(FrameBar(total, quiet))

    def __call__(self, tracked: TrackedFrame) -> bool:
        self._bar.advance()
        return self._window is None or tracked.picture is None or self._window.show(tracked.picture)


def targets_of(options: Namespace) -> list[Target]:
    """Return the targets to track.

    Raises BoxError if there are none, or one cannot be tracked, and ConfigError if they are given twice.
    """
    from mixformer.cli.ask import ask_box
    from mixformer.imaging import parse_box
    from mixformer.video import Target, read_targets

    if options.targets is None:
        box = ask_box(options.source, options.start) if options.box is None else parse_box(options.box)
        return [Target(1, box, options.start)]
    if options.box is not None:
        raise ConfigError("--box and --targets both name targets; give one of them, or put the box into the file too")
    targets = read_targets(options.targets, options.start)
    for target in targets:
        if target.start < options.start:
            raise BoxError(f"{target.where}: the target begins in frame {target.start}, before --start {options.start}")
    return targets


def _report(summary: VideoSummary, how: str, paths: Iterable[Path], console: Console) -> None:
    score = "" if summary.mean_score is None else f", mean score {summary.mean_score:.2f}"
    rate = f"{summary.fps:.0f} FPS with reading and writing"
    console.print(f"{counted(summary.frames, 'frame')} in {summary.seconds:.1f} s ({rate}){score}; {how}")
    if summary.kept:
        console.print(f"resumed after the first {counted(summary.kept, 'frame')} of an interrupted run")
    for number, stretches in summary.absences.items():
        who = f"target {number}" if len(summary.absences) > 1 or number != 1 else "the target"
        shown = ", ".join(first_few((f"{a} to {b - 1}" for a, b in stretches), 8))
        console.print(f"{who} was lost in frames {shown}")
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
