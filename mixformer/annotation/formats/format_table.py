"""The table of annotation formats for export and import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mixformer.annotation.formats.box_lines import read_lines_project, read_table_project, write_lines, write_table
from mixformer.annotation.formats.coco_json import PICTURE as COCO_PICTURE, read_coco_project, write_coco
from mixformer.annotation.formats.contents import ExportContents, Reader
from mixformer.annotation.formats.cvat_xml import read_cvat_project, write_cvat
from mixformer.annotation.formats.label_studio import (
    read_label_studio_project,
    read_predictions_project,
    write_label_studio,
    write_predictions,
)
from mixformer.annotation.formats.mot_text import read_mot_project, write_mot
from mixformer.annotation.formats.training_folder import read_training_project, training_pictures, write_training
from mixformer.annotation.formats.voc_xml import PICTURE as VOC_PICTURE, read_voc_project, write_voc
from mixformer.annotation.formats.yolo_folder import PICTURE as YOLO_PICTURE, read_yolo_project, write_yolo


@dataclass(frozen=True)
class AnnotationFormat:
    """A format of annotation files. A new one needs only an entry in `ANNOTATION_FORMATS`.

    Attributes:
        name: name on the command line.
        title: name for people.
        help: the written files, in a few words.
        write: function that makes the text of each file, by its path in the export's folder.
        read: function that makes a project of such a file or folder and a video.
        pictures: function that returns the paths of the pictures of each frame; None for formats without pictures.
        with_pictures: write pictures by default.
        keys: the format has key frames; others hold a box for every frame.
        ending: ending of the file that holds everything by itself; "" if there is none.

    Example:
        >>> from mixformer.annotation import ANNOTATION_FORMATS
        >>> sorted(ANNOTATION_FORMATS)
        ['coco', 'csv', 'cvat', 'folder', 'jsonl', 'label-studio', 'label-studio-predictions', 'mot', ...
    """

    name: str
    title: str
    help: str
    write: Callable[[ExportContents], dict[str, str]]
    read: Reader
    pictures: Callable[[ExportContents], dict[int, list[str]]] | None = None
    with_pictures: bool = False
    keys: bool = False
    ending: str = ""


def _named(pattern: str, first: int = 0) -> Callable[[ExportContents], dict[int, list[str]]]:
    """Return a function that names pictures by the number of the frame, counted from `first`."""
    return lambda contents: {frame: [pattern.format(frame + first)] for frame in contents.frames}


_MOT_PICTURES = _named("img1/{:06d}.jpg", 1)
_COCO_PICTURES = _named(f"images/train/{COCO_PICTURE}")
ANNOTATION_FORMATS = {
    each.name: each
    for each in (
        AnnotationFormat(
            "cvat", "CVAT for video 1.1", "annotations.xml", write_cvat, read_cvat_project, keys=True, ending=".xml"
        ),
        AnnotationFormat(
            "coco",
            "COCO",
            "annotations/*.json, with ids of videos and tracks",
            write_coco,
            read_coco_project,
            _COCO_PICTURES,
            ending=".json",
        ),
        AnnotationFormat(
            "yolo", "YOLO", "data.yaml, images/, labels/", write_yolo, read_yolo_project, _named(YOLO_PICTURE), True
        ),
        AnnotationFormat("mot", "MOTChallenge", "gt/gt.txt, pixels from 1", write_mot, read_mot_project, _MOT_PICTURES),
        AnnotationFormat(
            "mot-cvat",
            "MOTChallenge of CVAT and datumaro",
            "gt/gt.txt, pixels from 0",
            partial(write_mot, first_pixel=0),
            partial(read_mot_project, first_pixel=0),
            _MOT_PICTURES,
        ),
        AnnotationFormat(
            "voc", "Pascal VOC", "Annotations/, JPEGImages/", write_voc, read_voc_project, _named(VOC_PICTURE), True
        ),
        AnnotationFormat(
            "label-studio",
            "Label Studio video",
            "tasks.json, and the labeling configuration",
            write_label_studio,
            read_label_studio_project,
            keys=True,
            ending=".json",
        ),
        AnnotationFormat(
            "label-studio-predictions",
            "Label Studio video, predictions",
            "tasks.json with scores, for review",
            write_predictions,
            read_predictions_project,
            keys=True,
            ending=".json",
        ),
        AnnotationFormat(
            "folder",
            "Training data",
            "a folder for each target",
            write_training,
            read_training_project,
            training_pictures,
            True,
        ),
        AnnotationFormat(
            "jsonl",
            "JSON lines",
            "one box per line, with every field",
            write_lines,
            read_lines_project,
            keys=True,
            ending=".jsonl",
        ),
        AnnotationFormat(
            "csv",
            "CSV",
            "one box per line, with every field",
            write_table,
            read_table_project,
            keys=True,
            ending=".csv",
        ),
    )
}
"""Formats by name."""
