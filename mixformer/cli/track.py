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
from mixformer.cli.track_options import (
    demo_parser,
    make_tracker,
    outputs_from,
    targets_of,
    track_parser,
    tracker_factory,
)
from mixformer.errors import SourceError, counted, first_few
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

if TYPE_CHECKING:
    from mixformer.run import TrackedFrame, VideoSummary

__all__ = ["demo_parser", "run", "track_parser"]

# What `mixformer demo` says in place of the options that it lacks.
_DEMO = {
    "source": str(DEMO_CLIP),
    "box": DEMO_BOX,
    "start": 0,
    "timeout": 10.0,
    **dict.fromkeys(("targets", "stop")),
    **dict.fromkeys(("show", "every_frame", "backward", "both_ways"), False),
}


def run(options: Namespace) -> None:
    """Track as the options say."""
    from mixformer.cli.parser import runtime_from
    from mixformer.engines import select_engine
    from mixformer.run import check_outputs, track_video
    from mixformer.video import open_video

    if "source" not in options:
        options.update(Namespace(_DEMO))
    # 1. Check everything that is quick to check before the model is loaded.
    several = options.targets is not None
    inputs = [options.source, *([options.targets] if several else [])]
    wanted = outputs_from(options, options.source, lambda outputs: _goes_on(options, outputs))
    outputs = check_outputs(wanted, inputs, overwrite=options.overwrite, going_on=True)
    if needs_project(options):
        run_project(options, outputs)
        return
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
    from mixformer.run.resuming import resume_file, resume_path

    if not resume_path(outputs).is_file() or not (options.box or options.targets):
        return False
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
