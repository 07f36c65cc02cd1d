"""Export a project to the format of another tool, and import one."""

from __future__ import annotations

import logging
import math
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from mixformer.annotation.formats.contents import ExportContents
from mixformer.annotation.formats.format_table import ANNOTATION_FORMATS, AnnotationFormat
from mixformer.annotation.formats.zipped import unzipped
from mixformer.annotation.project import AnnotatedVideo, AnnotationProject
from mixformer.annotation.project_checks import check_project
from mixformer.annotation.video_facts import is_other_video
from mixformer.configs.argument_checks import checked_functions
from mixformer.errors import ConfigError, DataError, OutputError, did_you_mean, remedy, shown
from mixformer.files import make_folder, write_files, write_text
from mixformer.files.partial_names import real_path
from mixformer.files.places import require_place
from mixformer.files.staging import staging_folder
from mixformer.imaging.images import jpeg_bytes
from mixformer.types import Image
from mixformer.video.reader import open_video

log = logging.getLogger(__name__)

_ENDINGS = {each.ending for each in ANNOTATION_FORMATS.values()} - {""}  # endings of exports that are one file


def annotation_format(name: str) -> AnnotationFormat:
    """Find a format. Raises ConfigError if it is unknown; the message lists the names."""
    if name not in ANNOTATION_FORMATS:
        near = did_you_mean(str(name), ANNOTATION_FORMATS)
        raise ConfigError(f"there is no format {shown(name, 40)}; there are: {', '.join(ANNOTATION_FORMATS)}{near}")
    return ANNOTATION_FORMATS[name]


def check_export(format: str, out: str | Path, pictures: bool | None = None, *, overwrite: bool = False) -> None:
    """Check that an export is possible, before the work.

    Args:
        format: a name in `ANNOTATION_FORMATS`.
        out: the file or folder of the export.
        pictures: as in `export_annotations`.
        overwrite: replace an existing file.

    Raises:
        ConfigError: if there is no such format, it has no pictures, or it is no single file of this ending.
        OutputError: if the result already exists, or cannot be written.

    Example:
        >>> from mixformer.annotation import check_export
        >>> check_export("cvta", "annotations.xml")
        Traceback (most recent call last):
        mixformer.errors.ConfigError: there is no format 'cvta'; there are: cvat, ... did you mean 'cvat'?
    """
    chosen, path = annotation_format(format), Path(out)
    if pictures and chosen.pictures is None:
        raise ConfigError(f"{format} has no pictures; leave them out, or choose another format")
    suffix = path.suffix.lower()
    if suffix in _ENDINGS and suffix != chosen.ending:
        single = f"NAME{chosen.ending}, " if chosen.ending else ""
        raise ConfigError(f"{format} is no single {suffix} file; give {single}the name of a folder, or NAME.zip")
    if suffix not in (*_ENDINGS, ".zip") and path.exists() and not path.is_dir():
        raise OutputError(f"{path} is no folder, and the result is one; give another name, or NAME.zip")
    if path.is_dir() and (overwrite or any(item.name != ".partial" for item in path.iterdir())):
        raise OutputError(f"{path} is a folder, which is never replaced; give another name, or remove it first")
    require_place(path, overwrite)


@checked_functions
def export_annotations(
    project: AnnotationProject,
    format: str,
    out: str | Path,
    *,
    video: str | Path | None = None,
    pictures: bool | None = None,
    tolerance: float = 1.0,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Export a project to the format of another tool, completely or not at all.

    A frame in which a target is absent or lost has no box. Formats with key frames get the key boxes of a person, and
    as many others as are needed to interpolate the tracked boxes.

    Args:
        project: the project.
        format: a name in `ANNOTATION_FORMATS`.
        out: a folder to make; or NAME.zip; or, for a format that is one file, NAME.xml, .json, .jsonl or .csv.
        video: the video or folder of pictures, for formats with pictures.
        pictures: write the pictures of the frames as JPEG files; None does so for formats that need them.
        tolerance: largest error of a box between key frames in pixels.
        overwrite: replace an existing file; folders are never replaced.
        progress: function to call with the number of written pictures and of all pictures.

    Returns:
        The file or folder.

    Raises:
        ConfigError: if there is no such format, the tolerance is no number of pixels, or the video is missing.
        DataError: if the project has no boxes.
        OutputError: if the result cannot be written, or already exists.
        SourceError: if the video cannot be read.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, export_annotations, set_key
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> project = set_key(set_key(project, 1, 0, (100, 50, 40, 80)), 1, 9, (190, 50, 40, 80))
        >>> export_annotations(project, "cvat", "annotations.xml").read_text().count("<box ")
        3
    """
    check_project(project)
    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance must be a number of pixels, 0 or above, not {shown(tolerance, 40)}")
    check_export(format, out, pictures, overwrite=overwrite)
    chosen, path, contents = annotation_format(format), Path(out), ExportContents(project, tolerance)
    if not contents.targets:
        raise DataError("the project has no boxes to export; draw or track some first")
    texts = chosen.write(contents)
    if path.suffix.lower() in _ENDINGS:  # a second file that is not necessary is left out
        write_text(path, next(text for name, text in texts.items() if Path(name).suffix == chosen.ending))
        return path
    wanted = chosen.with_pictures if pictures is None else pictures
    places = chosen.pictures(contents) if wanted and chosen.pictures else {}
    if places and video is None:
        raise ConfigError(f"{format} needs the pictures; give the video, or leave the pictures out")
    if places and video is not None and is_other_video(project.video, video):
        log.warning("%s is another file than was annotated; look whether its pictures fit the boxes", video)
    place = real_path(path)  # a link to an empty folder stays one
    make_folder(place.parent)
    with staging_folder(place) as staging:
        folder, packed = staging / "export", path.suffix.lower() == ".zip"
        if not packed:  # thousands of small files are written slowly
            _write_texts(folder, texts)
        if places and video is not None:
            _write_pictures(folder, video, places, (contents.video.height, contents.video.width), progress)
        _put(folder, place, texts if packed else None)
    return path


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    try:
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"cannot write the export: {error}; nothing was changed; {remedy(error)}") from error


def _write_pictures(
    folder: Path,
    video: str | Path,
    places: Mapping[int, list[str]],
    size: tuple[int, int],
    progress: Callable[[int, int], object] | None,
) -> None:
    """Write frames of a video as JPEG files. A frame with several paths is written once, then linked or copied.

    Raises OutputError if one cannot be written, SourceError if the video cannot be read, and DataError if its frames
    are not of the project's (height, width).
    """
    done = 0
    with open_video(video, min(places), max(places) + 1) as frames:
        for frame in frames:
            if frame.index in places:
                height, width = frame.image.shape[:2]
                if frame.index == min(places) and (height, width) != size:
                    raise DataError(
                        f"{video} has {width} x {height} pixels, and the video of the project {size[1]} x {size[0]}; "
                        "give that one"
                    )
                _write_picture(frame.image, [folder / name for name in places[frame.index]])
                done += 1
                if progress:
                    progress(done, len(places))
    if done < len(places):
        raise DataError(f"only {done} of {len(places)} frames of {video} can be read; export without pictures")


def _write_picture(image: Image, files: list[Path]) -> None:
    try:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
        files[0].write_bytes(jpeg_bytes(image))
        for file in files[1:]:
            with suppress(OSError):
                os.link(files[0], file)
                continue
            shutil.copyfile(files[0], file)
    except OSError as error:
        raise OutputError(f"cannot write the pictures: {error}; nothing was changed; {remedy(error)}") from error


def _put(folder: Path, path: Path, texts: Mapping[str, str] | None) -> None:
    """Rename a folder to its place, or make a zip file of it and of texts that are not in it."""
    try:
        if texts is None:
            if path.is_dir():
                path.rmdir()  # it is empty
            folder.replace(path)
            return
        packed = folder.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                archive.write(file, file.relative_to(folder).as_posix(), zipfile.ZIP_STORED)  # pictures
        write_files({path: lambda part: shutil.move(packed, part)})
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; nothing was changed; {remedy(error)}") from error


def import_annotations(source: str | Path, format: str, video: AnnotatedVideo) -> AnnotationProject:
    """Import annotations of another tool as a project of a video.

    The project gets as few key boxes as reproduce every box of the file. In formats that distinguish them, boxes of a
    tracker stay tracked boxes.

    Args:
        source: a file, folder or zip file of `export_annotations` or of the other tool.
        format: a name in `ANNOTATION_FORMATS`.
        video: the video; see `look_at_video`.

    Raises:
        ConfigError: if there is no such format.
        DataError: if the file has another form, or does not fit the video.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.annotation import AnnotatedVideo, import_annotations
        >>> _ = Path("boxes.csv").write_text("frame,id,x,y,w,h\\n0,1,10,20,30,40\\n1,1,12,20,30,40\\n")
        >>> project = import_annotations("boxes.csv", "csv", AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> [box.origin for box in project.boxes(1, 0, 3)]
        ['person', 'tracker', '']
    """
    chosen = annotation_format(format)
    with unzipped(Path(source)) as read:
        return chosen.read(read, video)
