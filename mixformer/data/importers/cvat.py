"""Import CVAT XML 1.1: video tasks (tracks) and image tasks (boxes)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mixformer.data.clips import Clip
from mixformer.data.frame_storage import ClipFrame, FrameRef
from mixformer.data.importers.tracks import (
    FileTrack,
    FrameBoxes,
    picture_below,
    require_pictures,
    require_same_size,
    track_sequence,
    whole_number,
)
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError, malformed_as_data_error


def read_cvat(source: Path, images: Path | None = None) -> list[VideoSequence]:
    """Read each track of a video task, or each box of an image task as a sequence of one frame.

    A box marked `outside` is absent. A box marked `occluded` is kept, since CVAT means partly hidden. If the file holds
    only key frames, boxes between them are interpolated as CVAT does. `source` is the XML file or the folder of an
    export; `images` the pictures or the video, else images/ beside the XML file, or its folder.
    """
    file = cvat_file(source)
    root = cvat_root(file)
    beside = images or (file.parent / "images" if (file.parent / "images").is_dir() else file.parent)
    with malformed_as_data_error(f"{file} is not CVAT XML 1.1"):
        found = list((_stills if root.find("track") is None else _tracks)(root, file, beside))
    if not found:
        raise DataError(f"{file} holds no boxes on pictures that are in {beside}; give their folder with --images")
    return found


def cvat_file(source: Path) -> Path:
    """Return the XML file of an export; `source` is the file or its folder."""
    return source / "annotations.xml" if source.is_dir() else source


def cvat_root(file: Path) -> ElementTree.Element:
    """Read the XML; raises DataError if it cannot be parsed."""
    try:
        return ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError, RecursionError, MemoryError) as error:
        raise DataError(
            f'cannot read {file} as CVAT XML: {error}; export it from CVAT again, as "CVAT for video 1.1"'
        ) from error


def cvat_tracks(file: Path, size: tuple[int, int] | None = None) -> list[FileTrack]:
    """Read the tracks of a video task as key boxes, without the boxes that CVAT interpolated between them.

    Raises DataError if the file is about a video of another (width, height) than `size`.
    """
    root = cvat_root(file)
    one = next(root.iter("original_size"), root)
    require_same_size((one.findtext("width"), one.findtext("height")), size, file)
    with malformed_as_data_error(f"{file} is not CVAT XML 1.1"):
        return [_file_track(track) for track in root.iter("track")]


def _file_track(track: ElementTree.Element) -> FileTrack:
    found = [box for box in sorted(track.iter("box"), key=_frame) if box.attrib.get("keyframe") != "0"]
    boxes: FrameBoxes = {}
    for number, box in enumerate(found):
        frame, gone = _frame(box), box.attrib.get("outside") == "1"
        before = found[number - 1] if number else box
        last = boxes.get(_frame(before))
        # CVAT interpolates toward the next box even if that is outside. A key box one frame before it has the same
        # effect.
        if gone and last is not None and frame - _frame(before) > 1 and _xywh(box) != last:
            part = (frame - 1 - _frame(before)) / (frame - _frame(before))
            boxes[frame - 1] = _mixed(last, _xywh(box), part)
        boxes[frame] = None if gone else _xywh(box)
    facts = {each.attrib["name"]: each.text or "" for box in found[:1] for each in box.iter("attribute")}
    partly = frozenset(_frame(box) for box in found if box.attrib.get("occluded") == "1")
    number = whole_number(track.attrib["id"], "a track")
    return FileTrack(number, boxes, track.attrib.get("label", ""), facts, partly, sparse=True)


def _tracks(root: ElementTree.Element, file: Path, images: Path) -> Iterator[VideoSequence]:
    pictures = _frames(images)
    for track in root.iter("track"):
        name = f"{root.findtext('meta/task/name') or file.stem}_{whole_number(track.attrib['id'], 'a track'):04d}"
        label = track.attrib.get("label", "")
        sequence = track_sequence(name, pictures, _between(_boxes(track), pictures), "cvat", label)
        if sequence:
            yield sequence


def _frames(images: Path) -> Mapping[int, FrameRef]:
    """Return pictures by frame number: those of a folder in name order, or the frames of a video."""
    if images.is_file():
        clip = Clip(images)
        clip.close()
        return {number: ClipFrame(images, number) for number in range(len(clip))}
    return dict(enumerate(require_pictures(images)))


def _boxes(track: ElementTree.Element) -> FrameBoxes:
    """Return boxes by frame; None where the target is outside."""
    return {
        _frame(box): None if box.attrib.get("outside") == "1" else _xywh(box)
        for box in sorted(track.iter("box"), key=_frame)
    }


def _frame(box: ElementTree.Element) -> int:
    return whole_number(box.attrib["frame"], "the frame of a box")


def _xywh(box: ElementTree.Element) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(box.attrib[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
    return left, top, right - left, bottom - top


def _between(boxes: FrameBoxes, pictures: Mapping[int, FrameRef]) -> FrameBoxes:
    """Add interpolated boxes of frames that have a picture, after each key frame that shows the target."""
    numbers, filled, shown = list(boxes), dict(boxes), sorted(pictures)
    for first, last in pairwise(numbers):
        start = boxes[first]
        if start is None:
            continue
        end = boxes[last] or start
        for number in shown[bisect_right(shown, first) : bisect_left(shown, last)]:
            part = (number - first) / (last - first)
            filled[number] = _mixed(start, end, part)
    return filled


def _mixed(start: tuple[float, ...], end: tuple[float, ...], part: float) -> tuple[float, ...]:
    return tuple(np.add(np.multiply(start, 1 - part), np.multiply(end, part)).tolist())


def _stills(root: ElementTree.Element, source: Path, images: Path) -> Iterator[VideoSequence]:
    for picture in root.iter("image"):
        file = picture_below(images, picture.attrib["name"], source)
        for number, box in enumerate(picture.iter("box")):
            if file.is_file():
                name = f"{Path(picture.attrib['name']).with_suffix('').as_posix().replace('/', '_')}_{number}"
                label = box.attrib.get("label", "")
                yield VideoSequence(name, (file,), np.array([_xywh(box)]), "cvat", label=label)
