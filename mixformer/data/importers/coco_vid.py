"""COCO-VID JSON: videos, images with a frame number, and annotations with the number of an instance."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from mixformer.data.datasets.sequence_files import number_of
from mixformer.data.frame_storage import FrameRef
from mixformer.data.importers.tracks import (
    FileTrack,
    FrameBoxes,
    picture_below,
    require_same_size,
    track_sequence,
    whole_number,
)
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError, malformed_as_data_error
from mixformer.files import LARGEST_ANNOTATION, as_numbers, read_json_file

log = logging.getLogger(__name__)

_Track = tuple[Any, Any]


def read_coco_vid(source: Path, images: Path | None = None) -> list[VideoSequence]:
    """Read each instance of each video of a JSON file, without crowds. Pictures are below `images`, or beside it."""
    with malformed_as_data_error(f"{source} is not a COCO-VID file"):
        content = read_json_file(source, DataError, LARGEST_ANNOTATION)
        videos = {video["id"]: str(video["name"]) for video in content["videos"]}
        frames = _frames(content)
        pictures = _pictures(content["images"], images or source.parent, source)
        tracks, labels = _tracks(content["annotations"], frames, content.get("categories", []))
        found = [
            track_sequence(
                f"{videos[video].replace('/', '_')}_{instance}",
                pictures[video],
                boxes,
                "coco-vid",
                labels[video, instance],
            )
            for (video, instance), boxes in tracks.items()
        ]
    return [sequence for sequence in found if sequence]


def coco_tracks(source: Path, size: tuple[int, int] | None = None) -> list[FileTrack]:
    """Read the instances of a file with one video, without pictures.

    Raises DataError for several videos, and for pictures of another (width, height) than `size`.

    A file without `videos` is one of FiftyOne, which keeps the numbers of tracks and none of videos and frames. The
    names of its pictures end with the number of the frame, and what others write as `attributes` is beside the box.
    """
    content = read_json_file(source, DataError, LARGEST_ANNOTATION)
    with malformed_as_data_error(f"{source} is not a COCO-VID file"):
        if len(content.get("videos", ())) > 1:
            raise DataError(f"{source} holds {len(content['videos'])} videos; a project has one, so split the file")
        for picture in content["images"]:
            require_same_size((picture.get("width"), picture.get("height")), size, source)
        frames = _frames(content)
        tracks, labels = _tracks(content["annotations"], frames, content.get("categories", []))
        facts: dict[_Track, dict[int, dict[str, Any]]] = defaultdict(dict)
        for thing in content["annotations"]:
            video, number = frames[thing["image_id"]]
            facts[video, _instance(thing)][number] = thing.get("attributes", thing) or {}
        return [
            FileTrack(
                whole_number(track[1], "a track"),
                boxes,
                labels[track],
                _texts(facts[track]),
                frozenset(frame for frame, each in facts[track].items() if each.get("occluded")),
            )
            for track, boxes in tracks.items()
        ]


def _frames(content: dict[str, Any]) -> dict[Any, tuple[Any, int]]:
    """Return the video and the frame number of each picture, by the number of the picture."""
    one = {} if "videos" in content else {"video_id": 1}
    return {picture["id"]: ((one | picture)["video_id"], _frame_number(picture)) for picture in content["images"]}


def _texts(facts: dict[int, dict[str, Any]]) -> dict[str, str]:
    """Return the attributes of a target: the texts of its first box. Other values describe only that box."""
    first = facts[min(facts)] if facts else {}
    return {str(name): value for name, value in first.items() if isinstance(value, str)}


def _instance(thing: dict[str, Any]) -> Any:
    """Return the number of a track, under either name, or among the attributes, as datumaro and CVAT write it."""
    place = thing if "instance_id" in thing or "track_id" in thing else thing["attributes"]
    return place["instance_id"] if "instance_id" in place else place["track_id"]


def _frame_number(picture: dict[str, Any]) -> int:
    """Return the number of a frame: `frame_id`, `frame_index` as in TAO, or the end of the picture's name."""
    for key in ("frame_id", "frame_index"):
        if key in picture:
            return whole_number(picture[key], "frame_id")
    found = number_of(Path(picture["file_name"]).stem)
    if found is None:
        raise DataError(f"{picture['file_name']} has no frame_id, and no number of a frame at the end of its name")
    return found


def _pictures(images: list[dict[str, Any]], folder: Path, source: Path) -> dict[Any, dict[int, FrameRef]]:
    """Return the pictures of each video by frame number; missing files are left out."""
    found: dict[Any, dict[int, FrameRef]] = defaultdict(dict)
    missing = []
    for picture in images:
        file = picture_below(folder, picture["file_name"], source)
        if file.is_file():
            found[picture["video_id"]][_frame_number(picture)] = file
        else:
            missing.append(file)
    if missing and not found:
        raise DataError(f"none of the {len(missing)} pictures is there, such as {missing[0]}; use --images FOLDER")
    if missing:
        log.warning("left out %d of %d pictures that are missing, such as %s", len(missing), len(images), missing[0])
    return found


def _tracks(
    annotations: list[dict[str, Any]], frames: dict[Any, tuple[Any, int]], categories: list[dict[str, Any]]
) -> tuple[dict[_Track, FrameBoxes], dict[_Track, str]]:
    """Return the boxes of each (video, instance) by frame number, and its class."""
    kinds = {kind["id"]: str(kind["name"]) for kind in categories}
    tracks: dict[_Track, FrameBoxes] = defaultdict(dict)
    labels: dict[_Track, str] = {}
    for thing in annotations:
        if thing.get("iscrowd"):
            continue
        video, number = frames[thing["image_id"]]
        track = video, _instance(thing)
        box = as_numbers([thing["bbox"]], 4, f"the box of annotation {thing.get('id')}")[0]
        tracks[track][number] = tuple(box.tolist())
        labels[track] = kinds.get(thing.get("category_id"), "")
    return tracks, labels
