"""Write and read Pascal VOC: an XML file for each picture. Pixels count from 0, with decimals, as in datumaro."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from mixformer.annotation.formats.contents import ExportContents, box_of, frame_of, label_of, linked, project_of_tracks
from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject, FrameBox
from mixformer.data.importers.tracks import FileTrack, require_same_size, whole_number
from mixformer.errors import DataError, malformed_as_data_error, shown
from mixformer.types import Box

PICTURE = "JPEGImages/frame_{:06d}.jpg"
"""Path of the picture of a frame."""


def write_voc(contents: ExportContents) -> dict[str, str]:
    """Write the XML files, the list of pictures and the list of classes. A picture without a target has no object.

    Raises DataError if the list of classes cannot hold a label.
    """
    for label in contents.labels:
        if ":" in label or label.startswith("#"):
            raise DataError(
                f"labelmap.txt of Pascal VOC cannot hold the label {shown(label, 60)}, since a colon and a # at the "
                "beginning mean something else there; choose another label, or another format"
            )
    names = [f"frame_{frame:06d}" for frame in contents.frames]
    classes = "".join(f"{label}:::\n" for label in dict.fromkeys(["background", *contents.labels]))
    files = {
        "ImageSets/Main/train.txt": "".join(f"{name}\n" for name in names),
        "labelmap.txt": f"# label:color_rgb:parts:actions\n{classes}",
    }
    for name, things in zip(names, contents.by_frame.values(), strict=True):
        objects = "".join(_object(target, box) for target, box in things)
        files[f"Annotations/{name}.xml"] = (
            f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{name}.jpg</filename>\n"
            f"  <size><width>{contents.video.width}</width><height>{contents.video.height}</height>"
            "<depth>3</depth></size>\n"
            f"  <segmented>0</segmented>\n{objects}</annotation>\n"
        )
    return files


def _object(target: AnnotatedTarget, box: FrameBox) -> str:
    left, top, right, bottom = box_of(box).xyxy
    id = {"track_id": str(target.id)}
    facts = {**id, **target.attributes, **id}  # first, and no attribute takes its place
    attributes = "".join(
        f"<attribute><name>{escape(name)}</name><value>{escape(text)}</value></attribute>"
        for name, text in facts.items()
    )
    return (
        f"  <object>\n    <name>{escape(label_of(target))}</name>\n    <pose>Unspecified</pose>\n"
        f"    <truncated>0</truncated>\n    <difficult>0</difficult>\n    <occluded>{box.occluded:d}</occluded>\n"
        f"    <bndbox><xmin>{left:.2f}</xmin><ymin>{top:.2f}</ymin>"
        f"<xmax>{right:.2f}</xmax><ymax>{bottom:.2f}</ymax></bndbox>\n"
        f"    <attributes>{attributes}</attributes>\n  </object>\n"
    )


def read_voc_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read a folder with Annotations/.

    Without the attribute `track_id`, boxes of one class that overlap from frame to frame become one target.
    """
    files = sorted((source / "Annotations").glob("*.xml"))
    if not files:
        raise DataError(f"{source} holds no Annotations/*.xml")
    loose: dict[int, list[tuple[str, Box]]] = defaultdict(list)
    boxes: dict[int, dict[int, tuple[float, ...] | None]] = defaultdict(dict)
    facts: dict[int, tuple[str, dict[str, str]]] = {}
    partly: dict[int, set[int]] = defaultdict(set)
    for file in files:
        frame = frame_of(file)
        for id, label, box, occluded, attributes in _objects(file, (video.width, video.height)):
            if id is None:
                loose[frame].append((label, box))
                continue
            boxes[id][frame] = box
            facts.setdefault(id, (label, attributes))
            partly[id] |= {frame} if occluded else set()
    tracks = [FileTrack(id, found, *facts[id], frozenset(partly[id])) for id, found in sorted(boxes.items())]
    tracks += [replace(track, id=track.id + max(boxes, default=0)) for track in linked(loose, source)]
    return project_of_tracks(tracks, video, source)


_Thing = tuple[int | None, str, Box, bool, dict[str, str]]


def _objects(file: Path, size: tuple[int, int]) -> list[_Thing]:
    try:
        with malformed_as_data_error(f"{file} is not Pascal VOC"):
            root = ElementTree.parse(file).getroot()
            require_same_size((root.findtext("size/width"), root.findtext("size/height")), size, file)
            return [_thing(each) for each in root.iter("object")]
    except (ElementTree.ParseError, RecursionError) as error:
        raise DataError(f"{file} is not Pascal VOC: {error}") from error


def _thing(element: ElementTree.Element) -> _Thing:
    sides = [float(element.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")]
    box = Box(sides[0], sides[1], round(sides[2] - sides[0], 2), round(sides[3] - sides[1], 2))
    named = element.iterfind("attributes/attribute")
    facts = {each.findtext("name") or "": each.findtext("value") or "" for each in named}
    number = facts.pop("track_id", None)
    id = None if number is None else whole_number(number, "a track")
    return id, element.findtext("name") or "", box, element.findtext("occluded") == "1", facts
