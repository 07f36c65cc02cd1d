"""Tracks of several boxes of a target: `mixformer track` with corrections or backward, and `mixformer annotate`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from mixformer.cli.bars import FrameBar
from mixformer.cli.console import make_console
from mixformer.cli.track_options import make_tracker, targets_of, tracker_factory
from mixformer.errors import BoxError, ConfigError, DataError, counted

if TYPE_CHECKING:
    from mixformer.annotation import AnnotatedTarget, AnnotationProject, FrameBox
    from mixformer.annotation.stretches import Direction
    from mixformer.run.resuming import ResumeFile
    from mixformer.video.reader import VideoFrame


def needs_project(options: Namespace) -> bool:
    """Tell whether the options of `mixformer track` need more than one pass forward."""
    if options.backward or options.both_ways:
        return True
    if options.targets is None or options.box is not None:
        return False
    from mixformer.annotation.key_files import has_corrections

    return has_corrections(options.targets)


def run_project(options: Namespace, outputs: dict[str, Path], inputs: list[str | Path]) -> None:
    """Run `mixformer track` with corrections, --backward or --both-ways: track all, then write the same files."""
    from mixformer.files.places import claimed
    from mixformer.run import check_outputs

    if options.show:
        raise ConfigError("--show works for one pass forward; write the annotated video with --out, and look at that")
    project = project_of(options)
    note = note_of(options, outputs, project)
    with nullcontext() if note is None else claimed(next(iter(outputs.values()))):
        overwrite = options.overwrite or (note is not None and note.may_replace())
        check_outputs(outputs, inputs, overwrite=overwrite)
        project = tracked_project(project, options, _direction(options), _wanted(options, project), note)
        _write(options, project, outputs, note, overwrite)
    report_project(project, list(outputs.values()), options.quiet)


def _write(
    options: Namespace,
    project: AnnotationProject,
    outputs: Mapping[str, Path],
    note: ResumeFile | None,
    overwrite: bool,
) -> None:
    from mixformer.annotation import write_results
    from mixformer.run.resume_places import forget
    from mixformer.video import open_video

    wanted, drafts = _wanted(options, project), dict[str, int]()

    def count(frame: VideoFrame) -> None:
        if note is not None and not drafts:
            drafts.update(note.drafts())
        bar.count()

    with ExitStack() as stack:
        frames = stack.enter_context(open_video(options.source, wanted.start, wanted.stop))
        bar = stack.enter_context(FrameBar(frames.frames_to_come, options.quiet))
        how = {"ids": options.targets is not None, "overwrite": overwrite}
        try:
            write_results(project, frames, outputs, **how, on_frame=count)
        except BaseException:
            if note is not None:
                note.stop(drafts)
            raise
    forget(outputs)


def project_of(options: Namespace) -> AnnotationProject:
    """Return the project of the boxes that the options of `mixformer track` name."""
    from mixformer.annotation import look_at_video, read_keys
    from mixformer.annotation.key_files import has_corrections, keys_of_targets

    video = look_at_video(options.source)
    if options.targets is not None and options.box is None and has_corrections(options.targets):
        return read_keys(options.targets, video, options.start)
    return keys_of_targets(targets_of(options), video)


def note_of(options: Namespace, outputs: Mapping[str, Path], project: AnnotationProject) -> ResumeFile | None:
    """Return the file beside the results that tells which run it was; None if they cannot be resumed."""
    from mixformer.annotation.project_files import fields_of

    keys = [fields_of(target) for target in project.targets]
    facts = {"direction": _direction(options), "targets": keys}
    return note_beside(options, outputs, facts, (options.start, options.stop))


def note_beside(
    options: Namespace,
    outputs: Mapping[str, Path],
    facts: Mapping[str, Any],
    frames: tuple[int, int | None] = (0, None),
) -> ResumeFile | None:
    """Return the file beside some results of a run that has these options and facts."""
    from mixformer.run.resuming import resume_file

    return resume_file(outputs, str(options.source), frames, (), {**tracker_factory(options).settings(), **facts})


def _direction(options: Namespace) -> Direction:
    return "both" if options.both_ways else "backward" if options.backward else "forward"


def _wanted(options: Namespace, project: AnnotationProject) -> range:
    first = 0 if options.backward or options.both_ways else options.start
    return range(first, project.video.frame_count if options.stop is None else options.stop)


def tracked_project(
    project: AnnotationProject,
    options: Namespace,
    direction: Direction,
    wanted: range | None,
    note: ResumeFile | None,
    draft: Path | None = None,
) -> AnnotationProject:
    """Track the frames of a project that are not tracked from its key boxes yet.

    With a `note`, the boxes are kept in `draft`, by default a file beside the note, so that a run that is killed loses
    a second of video at most; one that was stopped before is resumed.
    """
    from mixformer.annotation import stale_stretches, track_between
    from mixformer.annotation.kept_boxes import KeptBoxes
    from mixformer.annotation.project_files import remove_project
    from mixformer.run.resume_places import kept_path

    if not any(not key.absent for target in project.targets for key in target.keys):
        raise BoxError("no target has a box; a line is frame,id,x,y,w,h")
    path = None if note is None else draft or kept_path(note.path)
    ours = note is not None and note.is_ours()
    if path is not None and ours:
        project = _with_kept(project, path, options.source)
    if not stale_stretches(project, None, direction, wanted):
        return project
    tracker = make_tracker(options)

    def begin() -> None:
        if path is not None and not ours:  # else a run that is killed now would take the boxes of another one
            remove_project(path)
        if note is not None:
            note.note()

    with FrameBar(None, options.quiet) as bar, KeptBoxes(project, path, begin) as kept:
        for found in track_between(
            project, options.source, direction=direction, frames=wanted, tracker=tracker, progress=bar.reach
        ):
            kept.put(found)
    return kept.project


def _with_kept(project: AnnotationProject, path: Path, source: str | Path) -> AnnotationProject:
    """Give a project the boxes that an interrupted run has tracked. Labels and the like are those of this run."""
    from mixformer.annotation import is_same_video, load_project
    from mixformer.annotation.key_files import tracked_before

    with suppress(DataError):  # a damaged one is replaced
        left = load_project(path)
        if is_same_video(left.video, source):
            found = tracked_before(project, left)
            for target in project.targets:
                kept = found.target(target.id)
                project = project.with_target(replace(target, tracked=kept.tracked, unjoined=kept.unjoined))
    return project


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
