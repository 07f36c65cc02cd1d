"""Tracks of several boxes of a target: `mixformer track` with corrections or backward, and `mixformer annotate`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from mixformer.cli.bars import FrameBar
from mixformer.cli.console import make_console
from mixformer.cli.track_options import make_tracker, targets_of
from mixformer.errors import BoxError, ConfigError, counted

if TYPE_CHECKING:
    from mixformer.annotation import AnnotatedTarget, AnnotationProject, FoundBox, FrameBox

DRAFT_INTERVAL = 30.0
"""Seconds of tracking that a killed command may lose."""


def needs_project(options: Namespace) -> bool:
    """Tell whether the options of `mixformer track` need more than one pass forward."""
    if options.backward or options.both_ways:
        return True
    if options.targets is None or options.box is not None:
        return False
    from mixformer.annotation.key_files import has_corrections

    return has_corrections(options.targets)


def run_project(options: Namespace, outputs: dict[str, Path]) -> None:
    """Run `mixformer track` with corrections, --backward or --both-ways: track all, then write the same files."""
    from mixformer.annotation import look_at_video, read_keys, write_results
    from mixformer.annotation.key_files import has_corrections, keys_of_targets
    from mixformer.video import open_video

    if options.show:
        raise ConfigError("--show works for one pass forward; write the annotated video with --out, and look at that")
    video, several = look_at_video(options.source), options.targets is not None
    if several and options.box is None and has_corrections(options.targets):
        project = read_keys(options.targets, video, options.start)
    else:
        project = keys_of_targets(targets_of(options), video)
    back = options.backward or options.both_ways
    wanted = range(0 if back else options.start, video.frame_count if options.stop is None else options.stop)
    direction = "both" if options.both_ways else "backward" if options.backward else "forward"
    project = tracked_project(project, options, direction, wanted)
    with ExitStack() as stack:
        frames = stack.enter_context(open_video(options.source, wanted.start, wanted.stop))
        bar = stack.enter_context(FrameBar(frames.frames_to_come, options.quiet))
        write_results(
            project, frames, outputs, ids=several, overwrite=options.overwrite, on_frame=lambda _: bar.count()
        )
    report_project(project, list(outputs.values()), options.quiet)


def tracked_project(
    project: AnnotationProject, options: Namespace, direction: str, wanted: range | None, draft: Path | None = None
) -> AnnotationProject:
    """Track the frames of a project that are not tracked from its key boxes yet.

    With a `draft`, a run that is stopped leaves there what it has tracked; one that is killed, all but its last part.
    """
    from mixformer.annotation import stale_stretches, track_between

    steps = 0
    for stretch in stale_stretches(project, None, direction, wanted):  # type: ignore[arg-type]
        ends = [box for box in (stretch.before, stretch.after) if box is not None]
        steps += len(stretch.frames) * len(ends)
    if not any(not key.absent for target in project.targets for key in target.keys):
        raise BoxError("no target has a box; a line is frame,id,x,y,w,h")
    tracker = make_tracker(options) if steps else None
    with FrameBar(steps, options.quiet) as bar:
        found = track_between(
            project,
            options.source,
            direction=direction,  # type: ignore[arg-type]
            frames=wanted,
            tracker=tracker,
            progress=lambda done, total: bar.count(),
        )
        return _put_all(project, found, draft)


def _put_all(project: AnnotationProject, found: Iterable[FoundBox], draft: Path | None) -> AnnotationProject:
    from mixformer.annotation import put_found, save_project

    boxes: list[FoundBox] = []
    saved = time.monotonic()
    try:
        for each in found:
            boxes.append(each)
            if draft is not None and time.monotonic() - saved > DRAFT_INTERVAL:
                project, boxes = put_found(project, boxes), []
                save_project(project, draft)
                saved = time.monotonic()
    except KeyboardInterrupt:
        if draft is not None and boxes:
            save_project(put_found(project, boxes), draft)
        raise
    return put_found(project, boxes)


def report_project(project: AnnotationProject, paths: list[Path], quiet: bool) -> None:
    """Print a line for each target, and the written files."""
    console = make_console(quiet=quiet)
    for target in project.targets:
        console.print(_line(target, list(project.boxes(target.id))))
    for path in paths:
        console.print(f"wrote {path.resolve()}")


def _line(target: AnnotatedTarget, boxes: list[FrameBox]) -> str:
    """Say in how many frames a target has a box, and in which frames a person should look."""
    from mixformer.run.absences import frame_spans, frames_text

    seen, yours = sum(box.visible for box in boxes), sum(not key.absent for key in target.keys)
    text = f"target {target.id}: {counted(seen, 'frame')} with a box, {yours} of them yours"
    doubtful = [box.frame for box in boxes if box.status == "uncertain"]
    if doubtful:
        which = "1 is doubtful, it" if len(doubtful) == 1 else f"{len(doubtful)} are doubtful, the first"
        text += f"; {which} is frame {doubtful[0]}"
    lost = frame_spans([box.frame for box in boxes if box.status == "lost"])
    return f"{text}; lost in {frames_text(lost)}" if lost else text
