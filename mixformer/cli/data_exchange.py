"""`mixformer data export`, and imports by `mixformer data import` that make a project first."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from mixformer.cli.bars import spinner
from mixformer.cli.console import make_console
from mixformer.cli.parser import add_option, add_overwrite
from mixformer.errors import ConfigError, counted

if TYPE_CHECKING:
    from mixformer.annotation import AnnotationProject

EXPORT = """Write an annotation project in the format of another tool.

PROJECT is NAME.mixformer.json, from mixformer annotate or mixformer web. OUT is a new folder or NAME.zip. For a format
with a single file, OUT is NAME.xml, NAME.json, NAME.jsonl or NAME.csv.

  mixformer data export cvat clip.mixformer.json annotations.xml
  mixformer data export yolo clip.mixformer.json dataset
  mixformer data export coco clip.mixformer.json dataset --pictures yes
"""


def add_export_options(made: ArgumentParser) -> None:
    """Add the options of an export, of which `pictures_from` reads the first."""
    pictures = "write the frames as JPEG files; auto: for yolo, voc and folder"
    tolerance = "for formats with key frames: largest error of an interpolated box, in pixels"
    add_option(made, "--pictures", Literal["auto", "yes", "no"], pictures, "auto")
    add_option(made, "--tolerance", float, tolerance, 1.0)
    add_overwrite(made)


def pictures_from(options: Namespace) -> bool | None:
    """Tell whether pictures are wanted; None leaves it to the format."""
    return {"auto": None, "yes": True, "no": False}[options.pictures]


def import_project(options: Namespace, console: Console) -> None:
    """Import annotations as a project. It is saved if OUT is NAME.mixformer.json; else it becomes training data."""
    from mixformer.annotation import import_annotations, look_at_video, save_project
    from mixformer.annotation.formats.exchange import annotation_format
    from mixformer.annotation.project_files import ENDING
    from mixformer.files.places import claimed, require_apart, require_place

    name = "coco" if options.format == "coco-vid" else options.format
    keep = options.out.name.endswith(ENDING)
    annotation_format(name)  # refuses an unknown one
    if options.images is None:
        raise ConfigError(f"{name} does not say where the pictures are; give the video or their folder as --images")
    require_apart(options.out, (options.source, options.images))
    require_place(options.out, options.overwrite)
    project = import_annotations(options.source, name, look_at_video(options.images, options.out if keep else None))
    if keep:
        with claimed(options.out):  # a page that has it open would lose its edits
            save_project(project, options.out)
    else:
        _write_sequences(project, options)
    console.print(f"wrote {counted(len(project.targets), 'target')} to {options.out.resolve()}")
    console.print(f"next: mixformer {'web' if keep else 'data check'} {options.images if keep else options.out}")


def _write_sequences(project: AnnotationProject, options: Namespace) -> None:
    """Write the targets as training data, if wanted each in the place of an earlier one of its name."""
    from mixformer.annotation import export_annotations
    from mixformer.annotation.formats.contents import ExportContents
    from mixformer.annotation.formats.training_folder import write_training
    from mixformer.data.importers.folder_writer import put_sequence, require_sequence_place
    from mixformer.files.staging import staging_folder

    out, images = options.out, options.images
    with ExitStack() as stack:
        show = stack.enter_context(spinner("writing"))
        made = out
        if out.is_dir():
            for name in {Path(name).parts[0] for name in write_training(ExportContents(project))}:
                require_sequence_place(out / name, options.overwrite)
            made = stack.enter_context(staging_folder(out / "import")) / "new"
        export_annotations(project, "folder", made, video=images, progress=lambda done, of: show(f"{done} of {of}"))
        for folder in made.iterdir() if made != out else ():
            put_sequence(folder, out / folder.name, options.overwrite)


def add_export(made: ArgumentParser) -> None:
    """Add the options of `mixformer data export`."""
    from mixformer.annotation import ANNOTATION_FORMATS

    kinds = ", ".join(f"{each.name} ({each.title}: {each.help})" for each in ANNOTATION_FORMATS.values())
    made.add_argument("format", type=str, metavar="FORMAT", help=kinds)
    made.add_argument("project", type=Path, metavar="PROJECT", help="NAME.mixformer.json")
    made.add_argument("out", type=Path, metavar="OUT", help="file or folder to write")
    add_option(made, "--video", Path, "the video, if it has moved")
    add_export_options(made)


def export_project(options: Namespace) -> None:
    """Write a project in a format of other tools."""
    from mixformer.annotation import check_export, export_annotations, find_video, load_project
    from mixformer.annotation.formats.exchange import annotation_format
    from mixformer.files.places import require_apart

    pictures = pictures_from(options)
    require_apart(options.out, (options.project, *([options.video] if options.video else [])))
    check_export(options.format, options.out, pictures, overwrite=options.overwrite)
    project = load_project(options.project)
    wants = annotation_format(options.format).with_pictures if pictures is None else pictures
    video = options.video or (find_video(project.video, options.project) if wants else None)
    with spinner("writing") as show:
        out = export_annotations(
            project,
            options.format,
            options.out,
            video=video,
            pictures=pictures,
            tolerance=options.tolerance,
            overwrite=options.overwrite,
            progress=lambda done, of: show(f"{done} of {of} pictures"),
        )
    make_console().print(f"wrote {out.resolve()}")
