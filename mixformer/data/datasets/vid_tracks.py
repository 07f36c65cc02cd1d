"""Read tracks of ImageNet-VID from XML files, and read and write the official cache.json."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from mixformer.data.datasets.annotation_cache import Index
from mixformer.data.frame_storage import read_frame
from mixformer.data.sequence import has_area
from mixformer.data.storage import Storage, describe_key, read_text
from mixformer.errors import DataError, counted, malformed_as_data_error
from mixformer.files import parse_json
from mixformer.types import FloatArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tracks:
    """All tracks in a few arrays. A track is a run of frames in which an object has a box."""

    folders: NDArray[np.str_]  # (n,) "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000" of each track
    kinds: NDArray[np.str_]  # (n,) class name
    starts: NDArray[np.int64]  # (n,) number of the first frame
    ends: NDArray[np.int64]  # (n,) row after the last one in `boxes`
    boxes: NDArray[np.float32]  # (rows, 4) xywh in pixels
    visible: NDArray[np.bool_]  # (rows,) False where the object is occluded

    def rows(self, index: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return the boxes (n, 4) of a track, NaN where they have no area, and (n,) True where it is visible."""
        rows = slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))
        boxes = self.boxes[rows].astype(np.float64)
        boxes[~has_area(boxes)] = np.nan
        return boxes, self.visible[rows]

    def name(self, index: int) -> str:
        """Return the name of the video and the number of the track, which is unique in the data set."""
        return f"{str(self.folders[index]).rpartition('/')[2]}/{index}"


@dataclass
class _Track:
    """A track that can still grow."""

    folder: str
    kind: str
    start: int
    boxes: list[list[float]]
    visible: list[bool]


def _arrays(tracks: list[_Track]) -> Index:
    return {
        "folders": np.array([t.folder for t in tracks], np.str_),
        "kinds": np.array([t.kind for t in tracks], np.str_),
        "starts": np.array([t.start for t in tracks], np.int64),
        "ends": np.cumsum([len(t.boxes) for t in tracks], dtype=np.int64),
        "boxes": np.array([box for t in tracks for box in t.boxes], np.float32).reshape(-1, 4),
        "visible": np.array([seen for t in tracks for seen in t.visible], bool),
    }


def from_json(data: bytes, name: str) -> Index:
    """Parse the arrays of `Tracks` from an official cache.json; raises DataError if it is not one."""
    with malformed_as_data_error(f"{name} is not a list of ImageNet-VID tracks"):
        return _arrays([_listed_track(track) for track in parse_json(data, name)])


def _listed_track(track: dict[str, Any]) -> _Track:
    """Read one track of cache.json; ValueError without a mark for each box, since all later ones would shift."""
    boxes = [[float(v) for v in box] for box in track["anno"]]
    visible = [bool(seen) for seen in track["target_visible"]]
    if len(visible) != len(boxes):
        raise ValueError(f"a track has {counted(len(boxes), 'box')} and {counted(len(visible), 'mark')}")
    folder = f"ILSVRC2015_VID_train_{int(track['set_id']):04d}/ILSVRC2015_train_{int(track['vid_id']):08d}"
    return _Track(folder, str(track["class_name"]), int(track["start_frame"]), boxes, visible)


def to_json(storage: Storage, data: str, tracks: Tracks) -> list[dict[str, Any]]:
    """Return tracks in the official form; their `image_size` is read from pictures below the key `data`."""
    sizes: dict[str, list[int]] = {}
    found = []
    for index, folder in enumerate(tracks.folders.tolist()):
        if folder not in sizes:
            first = f"{data}/{folder}/{storage.listing(f'{data}/{folder}')[1][0]}"
            sizes[folder] = list(read_frame(storage.frame(first)).shape[1::-1])
        boxes, visible = tracks.rows(index)
        chunk, video = (int(part.rpartition("_")[2]) for part in folder.split("/"))
        found.append(
            {
                "set_id": chunk,
                "vid_id": video,
                "class_name": str(tracks.kinds[index]),
                "start_frame": int(tracks.starts[index]),
                "anno": np.nan_to_num(boxes).tolist(),
                "target_visible": visible.tolist(),
                "image_size": sizes[folder],
            }
        )
    return found


def from_xml(storage: Storage, annotations: str) -> Index:
    """Read the arrays of `Tracks` of all videos below `annotations`, in name order; DataError if there are none."""
    chunks = storage.listing(annotations)[0]
    folders = [f"{chunk}/{name}" for chunk in chunks for name in storage.listing(f"{annotations}/{chunk}")[0]]
    found = _arrays([track for folder in folders for track in _video_tracks(storage, annotations, folder)])
    if not len(found["starts"]):
        raise DataError(
            f"{describe_key(storage, annotations)} holds no annotated objects; check that it is the right file"
        )
    return found


def _video_tracks(storage: Storage, annotations: str, folder: str) -> Iterator[_Track]:
    """Yield the tracks of one video. A track ends at a frame without its object."""
    growing: dict[str, _Track] = {}
    broken, last = [], -1
    files = [name for name in storage.listing(f"{annotations}/{folder}")[1] if re.fullmatch(r"\d+\.xml", name)]
    for name in files:
        number = int(name.removesuffix(".xml"))
        try:
            objects = dict(_objects(read_text(storage, f"{annotations}/{folder}/{name}") or ""))
        except (ElementTree.ParseError, ValueError, AttributeError, RecursionError, DataError):
            broken.append(name)
            objects = {}
        for key in [key for key in growing if key not in objects or number != last + 1]:
            yield growing.pop(key)
        last = number
        for key, (kind, box, seen) in objects.items():
            track = growing.setdefault(key, _Track(folder, kind, number, [], []))
            track.boxes.append(box)
            track.visible.append(seen)
    if broken:
        log.warning(
            "%s: left out %s that cannot be parsed, such as %s", folder, counted(len(broken), "file"), broken[0]
        )
    yield from growing.values()


def _objects(text: str) -> Iterator[tuple[str, tuple[str, list[float], bool]]]:
    """Yield the track number, class, box and visibility of each object of a frame."""
    for thing in ElementTree.fromstring(text).iter("object"):
        x1, y1, x2, y2 = (float(thing.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax"))
        seen = (thing.findtext("occluded") or "0").strip() == "0"
        yield thing.findtext("trackid") or "", (thing.findtext("name") or "", [x1, y1, x2 - x1, y2 - y1], seen)
