"""`mixformer annotate`."""

from __future__ import annotations

import logging
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.corrected_track import note_beside, report_project, tracked_project
from mixformer.cli.data_exchange import add_export_options, pictures_from
from mixformer.cli.parser import add_flag, add_model, add_option, add_quiet, add_runtime
from mixformer.cli.settings_options import add_settings
from mixformer.errors import ConfigError, DataError, OutputError
from mixformer.files.partial_names import own_places, real_path

if TYPE_CHECKING:
    from mixformer.annotation import AnnotatedVideo, AnnotationProject
    from mixformer.run.resuming import ResumeFile

log = logging.getLogger(__name__)

DESCRIPTION = """Track between the boxes that you drew, and write the file of an annotation tool.

The file of --keys is a CSV file with lines frame,id,x,y,w,h, or with the names of its columns in the first line
(frame, id, label, x, y, w, h, occluded). Several lines of one id are boxes of one target in several
frames. A line without a box means that the target is absent from that frame on. The file may also be a
project, NAME.mixformer.json. Between two of your boxes, the target is tracked forward from the first
and backward from the second, and both tracks are joined. Your boxes do not change.

If the file of --project is there already, --overwrite is needed to replace it. Even so, only what a new or
changed box concerns is tracked again; --again tracks everything anew, such as with another model. A run that
is stopped or killed keeps what it has tracked, with --project in NAME.partial.json; the same command resumes.

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
    kinds = ", ".join(f"{each.name} ({each.title}: {each.help})" for each in ANNOTATION_FORMATS.values())
    add_option(made, "--to", str, kinds, metavar="FORMAT")
    add_option(made, "--out", Path, "file or folder to write; NAME.zip packs it")
    add_option(made, "--project", Path, "also save the project to this file", metavar="FILE")
    add_option(made, "--label", str, "class of the targets without a label in the file of --keys", "")
    direction = "forward: track from the box before a frame; backward: from the box after it; both: join both tracks"
    add_option(made, "--direction", Literal["both", "forward", "backward"], direction, "both")
    add_flag(made, "--again", "track everything anew, also what --project has already")
    add_export_options(made)
    add_model(made)
    add_runtime(made)
    add_quiet(made)
    add_settings(made)


def run(options: Namespace) -> None:
    """Track between the key boxes, and write what the options ask for."""
    from mixformer.annotation import check_export, look_at_video
    from mixformer.annotation.project_files import ENDING
    from mixformer.files.places import claimed, require_apart, require_place
    from mixformer.files.special_files import is_special
    from mixformer.weights.catalog import files_of_model

    if (options.to is None) != (options.out is None) or (options.to is None and options.project is None):
        raise ConfigError("give --to FORMAT with --out FILE, or --project FILE, or all of them")
    inputs = [options.source, *files_of_model(options.model)]
    if not options["keys"].name.endswith(ENDING):  # a project may be tracked and saved again
        inputs.append(options["keys"])
    how = {"pictures": pictures_from(options), "overwrite": options.overwrite}
    if options.to is not None:
        require_apart(options.out, [*inputs, options["keys"], options.project or options.source])
        check_export(options.to, options.out, **how)
    if options.project is not None:
        require_apart(options.project, inputs)
        if options.to is not None:
            _require_two_places(options.out, options.project)
    video = look_at_video(options.source, options.project)
    outputs = {"project": options.project} if options.project is not None else {"annotations": options.out}
    note = note_beside(options, outputs, {"direction": options.direction, "again": options.again})
    if options.project is not None:
        require_place(options.project, options.overwrite or (note is not None and note.may_replace()))
    first = next(iter(outputs.values()))
    with nullcontext() if is_special(first) else claimed(first):  # a page that has the project open has claimed it too
        _annotate(options, video, outputs, note, how)


def _require_two_places(out: Path, project: Path) -> None:
    """Raise OutputError if one result would be written over the other, or into its folder; neither may be there yet."""
    home, place = real_path(out), real_path(project)
    if {*own_places(out)} & {*own_places(project)}:
        raise OutputError(f"--out and --project would both be written to {project}; give one of them another name")
    if home in place.parents:
        raise OutputError(f"the project {project} would be in the folder {out}, which --out makes; put it beside that")


def _annotate(
    options: Namespace, video: AnnotatedVideo, outputs: dict[str, Path], note: ResumeFile | None, how: dict[str, Any]
) -> None:
    from mixformer.annotation import export_annotations, save_project
    from mixformer.annotation.project_files import remove_project
    from mixformer.files.partial_names import partial_path, with_room
    from mixformer.run.resume_places import forget

    path = options.project
    draft = None if path is None or note is None else with_room(partial_path(path), ".journal")
    project = tracked_project(_keyed(options, video), options, options.direction, None, note, draft)
    written = []
    if path is not None:
        save_project(project, path)
        written.append(path)
        if note is not None and options.to is not None:
            note.note("project")  # an export of pictures takes long, and may be stopped
    if options.to is not None:
        how |= {"video": options.source, "tolerance": options.tolerance}
        written.append(export_annotations(project, options.to, options.out, **how))
    forget(outputs)
    if draft is not None:
        remove_project(draft)
    report_project(project, written, options.quiet)


def _keyed(options: Namespace, video: AnnotatedVideo) -> AnnotationProject:
    """Read the key boxes, with tracked boxes of an earlier run that still hold unless --again is given."""
    from mixformer.annotation import change_target, clear_tracked, is_same_video, load_project, read_keys
    from mixformer.annotation.key_files import tracked_before
    from mixformer.annotation.project_files import ENDING
    from mixformer.annotation.video_facts import is_other_video

    keys: Path = options["keys"]  # a namespace has a method of this name
    if keys.name.endswith(ENDING):
        project = load_project(keys)
        same = (project.video.width, project.video.height, project.video.frame_count)
        if same != (video.width, video.height, video.frame_count):
            raise ConfigError(f"{keys} is a project of another video than {options.source}")
        if other := is_other_video(project.video, options.source):
            log.warning(
                "%s is of another file than %s; your boxes count, and all is tracked again. Give the video that was "
                "annotated to keep what is tracked",
                keys,
                options.source,
            )
        project, before = replace(project, video=video), keys
        for target in project.targets:
            project = clear_tracked(project, target.id) if options.again or other else project
            project = change_target(project, target.id, target.label or options.label)
    else:
        project, before = read_keys(keys, video, label=options.label), options.project
    if options.again or before is None or before == keys or not before.is_file():
        return project
    with suppress(DataError):  # a damaged one is replaced
        old = load_project(before)
        return tracked_before(project, old) if is_same_video(old.video, options.source) else project
    return project
