"""`mixformer annotate`, and `mixformer track` with corrections or backward."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.bars import FrameBar
from mixformer.cli.console import make_console
from mixformer.cli.parser import add_model, add_option, add_overwrite, add_quiet, add_runtime
from mixformer.cli.settings_options import add_settings
from mixformer.cli.track_options import make_tracker, targets_of
from mixformer.errors import BoxError, ConfigError, counted

if TYPE_CHECKING:
    from mixformer.annotation import AnnotatedVideo, AnnotationProject

DESCRIPTION = """Track between the boxes that you drew, and write the file of an annotation tool.

The file of --keys is a CSV file with lines frame,id,x,y,w,h, or with the names of its columns in the first line
(frame, id, label, x, y, w, h, occluded). Several lines of one id are boxes of one target in several
frames. A line without a box means that the target is absent from that frame on. The file may also be a
project, NAME.mixformer.json. Between two of your boxes, the target is tracked forward from the first
and backward from the second, and both tracks are joined. Your boxes do not change.

  mixformer annotate clip.mp4 --keys keys.csv --to cvat --out annotations.xml
  mixformer annotate clip.mp4 --keys keys.csv --to yolo --out dataset/ --label person
  mixformer annotate clip.mp4 --keys keys.csv --project clip.mixformer.json

mixformer web shows and corrects the project. mixformer data export writes other formats.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    from mixformer.annotation import ANNOTATION_FORMATS

    made.add_argument("source", type=Path, metavar="CLIP", help="video file or folder of pictures")
    add_option(made, "--keys", Path, "your boxes: CSV, JSON or a project", required=True, metavar="FILE")
    kinds = ", ".join(f"{each.name} ({each.help})" for each in ANNOTATION_FORMATS.values())
    add_option(made, "--to", str, kinds, metavar="FORMAT")
    add_option(made, "--out", Path, "file or folder to write; NAME.zip packs it")
    add_option(made, "--project", Path, "also save the project to this file", metavar="FILE")
    add_option(made, "--label", str, "class of the targets without a label in the file of --keys", "")
    direction = "forward: track from the box before a frame; backward: from the box after it; both: join both tracks"
    add_option(made, "--direction", Literal["both", "forward", "backward"], direction, "both")
    add_export_options(made)
    add_model(made)
    add_runtime(made)
    add_quiet(made)
    add_settings(made)


def add_export_options(made: ArgumentParser) -> None:
    """Add the options of an export, which `export_options` reads."""
    pictures = "write the frames as JPEG files; auto: for yolo, voc and folder"
    tolerance = "for formats with key frames: largest error of an interpolated box, in pixels"
    add_option(made, "--pictures", Literal["auto", "yes", "no"], pictures, "auto")
    add_option(made, "--tolerance", float, tolerance, 1.0)
    add_overwrite(made)


def pictures_from(options: Namespace) -> bool | None:
    """Tell whether pictures are wanted; None leaves it to the format."""
    return {"auto": None, "yes": True, "no": False}[options.pictures]


def run(options: Namespace) -> None:
    """Track between the key boxes, and write what the options ask for."""
    from mixformer.annotation import check_export, export_annotations, look_at_video, save_project
    from mixformer.annotation.project_files import ENDING
    from mixformer.files.places import require_apart, require_place

    if (options.to is None) != (options.out is None) or (options.to is None and options.project is None):
        raise ConfigError("give --to FORMAT with --out FILE, or --project FILE, or all of them")
    inputs = [options.source]
    if not options["keys"].name.endswith(ENDING):  # a project may be tracked and saved again
        inputs.append(options["keys"])
    how = {"pictures": pictures_from(options), "overwrite": options.overwrite}
    if options.to is not None:
        require_apart(options.out, [*inputs, options["keys"], options.project or options.source])
        check_export(options.to, options.out, **how)
    if options.project is not None:
        require_apart(options.project, inputs)
        require_place(options.project, options.overwrite)
    video = look_at_video(options.source, options.project)
    project = _tracked(_keyed(options, video), options, options.direction, None)
    written = []
    if options.project is not None:
        save_project(project, options.project)
        written.append(options.project)
    if options.to is not None:
        how |= {"video": options.source, "tolerance": options.tolerance}
        written.append(export_annotations(project, options.to, options.out, **how))
    _report(project, written, options.quiet)


def _keyed(options: Namespace, video: AnnotatedVideo) -> AnnotationProject:
    from mixformer.annotation import load_project, read_keys
    from mixformer.annotation.project_files import ENDING

    keys: Path = options["keys"]  # a namespace has a method of this name
    if not keys.name.endswith(ENDING):
        return read_keys(keys, video, label=options.label)
    project = load_project(keys)
    same = (project.video.width, project.video.height, project.video.frame_count)
    if same != (video.width, video.height, video.frame_count):
        raise ConfigError(f"{keys} is a project of another video than {options.source}")
    return replace(project, video=video)


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
    project = _tracked(project, options, direction, wanted)
    with ExitStack() as stack:
        frames = stack.enter_context(open_video(options.source, wanted.start, wanted.stop))
        bar = stack.enter_context(FrameBar(frames.frames_to_come, options.quiet))
        write_results(
            project, frames, outputs, ids=several, overwrite=options.overwrite, on_frame=lambda _: bar.count()
        )
    _report(project, list(outputs.values()), options.quiet)


def _tracked(project: AnnotationProject, options: Namespace, direction: str, wanted: range | None) -> AnnotationProject:
    from mixformer.annotation import put_found, stale_stretches, track_between

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
        return put_found(project, found)


def _report(project: AnnotationProject, paths: list[Path], quiet: bool) -> None:
    console = make_console(quiet=quiet)
    for target in project.targets:
        boxes = list(project.boxes(target.id))
        seen, doubtful = sum(box.visible for box in boxes), [box.frame for box in boxes if box.status == "uncertain"]
        text = f"target {target.id}: {counted(seen, 'frame')} with a box, {len(target.keys)} of them yours"
        if doubtful:
            text += f"; {len(doubtful)} are doubtful, the first is frame {doubtful[0]}"
        console.print(text)
    for path in paths:
        console.print(f"wrote {path.resolve()}")
