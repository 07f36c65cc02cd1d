"""Readers of your own data: folders with `img/` and `groundtruth.txt`, JSON files, stills with `annotations.json`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from mixformer.data.frame_storage import ClipFrame, FrameRef
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.data.storage import path_below
from mixformer.errors import DataError, counted, malformed_as_data_error
from mixformer.files import LARGEST_ANNOTATION, as_numbers, path_kind, read_json_file, read_text_file
from mixformer.imaging.images import list_pictures
from mixformer.types import FloatArray

_WITH_ALPHA = (".png", ".webp")
_STILL_SIDE, _CUT_OUT_SIDE = 14.0, 24.0  # pixels, least side of an object
_LARGEST_PART = 0.6  # of the picture that an object covers
Parsed = tuple[FloatArray, dict[int, str]]
"""Boxes (n, 4) xywh, NaN for a broken row, and what is wrong with each broken row."""


@dataclass(frozen=True)
class MaskedObject:
    """A picture with an object to cut out."""

    image: Path  # picture file; with an alpha channel if `mask` is None
    mask: Path | None  # label picture, or None to use the alpha channel
    label: int = 0  # value of the object's pixels in `mask`


def parse_lines(text: str, parse: Callable[[str], list[float]]) -> Parsed:
    """Parse text with one box a line, skipping empty lines; `parse` returns x, y, w, h or raises ValueError."""
    rows: list[list[float]] = []
    broken: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(parse(line))
        except ValueError as error:
            broken[len(rows)] = f"line {number}: {error}"
            rows.append([np.nan] * 4)
    return np.array(rows, np.float64).reshape(-1, 4), broken


def parse_boxes(text: str) -> Parsed:
    """Parse boxes: one `x y w h` a line, separated by comma, tab or space; `nan` where the target is absent."""
    return parse_lines(text, _four_numbers)


def _four_numbers(line: str) -> list[float]:
    try:
        values = [float(v) for v in re.split(r"[,\s]+", line.strip().rstrip(","))]
    except ValueError as error:
        raise ValueError(f"not a number in {line!r:.200}") from error
    if len(values) != 4:
        raise ValueError(f"a box has four numbers, found {len(values)}")
    return values


def read_boxes(path: Path) -> FloatArray:
    """Read the boxes of a text file; raises DataError, naming the line, if one does not hold four numbers."""
    boxes, broken = parse_boxes(read_text_file(path))
    if broken:
        raise DataError(f"{path}, {next(iter(broken.values()))}")
    if not len(boxes):
        raise DataError(f"{path} holds no boxes; write one x,y,w,h for each frame into it")
    return boxes


def read_sequence(folder: Path) -> VideoSequence:
    """Read `img/` in natural order of names, and `groundtruth.txt`; DataError if they are missing or do not fit."""
    truth = folder / "groundtruth.txt"
    if not truth.is_file():
        raise DataError(f"{folder} has no groundtruth.txt; write one x,y,w,h for each frame into it")
    frames = tuple(list_pictures(folder / "img") if (folder / "img").is_dir() else ())
    boxes = read_boxes(truth)
    if len(frames) != len(boxes):
        raise DataError(
            f"{folder}: {counted(len(frames), 'picture')} in img/ but {counted(len(boxes), 'box')} in groundtruth.txt; "
            "make them equal"
        )
    return VideoSequence(folder.name, frames, boxes, folder.parent.name)


def read_sequences(root: Path, where: Mapping[str, Any] | None = None) -> list[VideoSequence]:
    """Read all sequence folders below `root`, in name order: those whose `meta.json` has the values `where`.

    Raises DataError if there are no such sequences.
    """
    folders = sorted(p.parent for p in root.glob("*/groundtruth.txt"))
    found = [read_sequence(folder) for folder in folders if not where or _matches(folder, where)]
    if not found:
        words = ", ".join(f"{key} = {value!r}" for key, value in (where or {}).items())
        raise DataError(
            f"no sequences{f' with {words} in meta.json' if where else ''} in {root}; each needs img/ and "
            "groundtruth.txt"
        )
    return found


def lazy_sequences(root: Path) -> LazySequences:
    """List all sequence folders below `root`, in name order. Each is read when it is indexed."""
    folders = sorted(path.parent for path in root.glob("*/groundtruth.txt"))
    return LazySequences([folder.name for folder in folders], partial(_read_numbered, folders), root.name)


def _read_numbered(folders: list[Path], index: int) -> VideoSequence:
    return read_sequence(folders[index])


def _matches(folder: Path, where: Mapping[str, Any]) -> bool:
    """Return whether the `meta.json` of a sequence has these values."""
    meta = folder / "meta.json"
    values = read_json_file(meta) if meta.is_file() else {}
    if not isinstance(values, dict):
        raise DataError(f"{meta} must hold a JSON object")
    return all(values.get(key) == value for key, value in where.items())


def read_json(path: Path) -> LazySequences:
    """Read a file `{"sequences": [{"name", "frames" or "video", "boxes", "label"?}, ...]}`; see docs/data.md.

    Raises DataError if the file is not of this form; for a single sequence, when that is indexed.
    """
    form = '{"sequences": [{"name": ..., "frames": [...], "boxes": [...]}]}'
    with malformed_as_data_error(f"{path} is not of the form {form}"):
        entries = read_json_file(path, DataError, LARGEST_ANNOTATION)["sequences"]
        names = [str(entry.get("name", number)) for number, entry in enumerate(entries)]
    if not names:
        raise DataError(f"{path} lists no sequences; docs/data.md shows the form")
    return LazySequences(names, _JsonReader(path, entries, names), path.stem)


class _JsonReader:
    """Makes sequence number i."""

    def __init__(self, path: Path, entries: list[dict[str, Any]], names: list[str]) -> None:
        self.path, self.entries, self.names = path, entries, names

    def __call__(self, index: int) -> VideoSequence:
        entry, name = self.entries[index], self.names[index]
        where = f"{self.path}, sequence {name}"
        boxes = self._boxes(entry, where)
        frames = self._frames(entry, len(boxes), where)
        if len(frames) != len(boxes):
            raise DataError(
                f"{where}: {counted(len(frames), 'frame')} but {counted(len(boxes), 'box')}; "
                "write null for an absent target"
            )
        return VideoSequence(name, frames, boxes, self.path.stem, label=str(entry.get("label", "")))

    def _frames(self, entry: dict[str, Any], count: int, where: str) -> tuple[FrameRef, ...]:
        if ("frames" in entry) == ("video" in entry):
            raise DataError(f'{where}: give either "frames" or "video"')
        if "video" in entry:
            video = path_below(self.path.parent, entry["video"], self.path)
            return tuple(ClipFrame(video, number) for number in range(count))
        if not isinstance(entry["frames"], list):
            raise DataError(f'{where}: "frames" must be a list of picture files')
        return tuple(path_below(self.path.parent, frame, self.path) for frame in entry["frames"])

    def _boxes(self, entry: dict[str, Any], where: str) -> FloatArray:
        boxes = entry.get("boxes")
        if not isinstance(boxes, list):
            raise DataError(f'{where}: "boxes" must be a list with one box or null for each frame')
        return as_numbers(boxes, 4, f"{where}: a box is four numbers [x, y, w, h] or null")


def read_stills(folder: Path) -> list[VideoSequence]:
    """Read the objects of an `annotations.json` folder, each as a sequence of one frame.

    Left out are boxes with a side below 14 pixels, those that cover more than 0.6 of the picture, and those that touch
    two of its borders: most show background or a small part of an object.
    """
    found = []
    for item in _items(folder):
        for number, thing in enumerate(item["objects"]):
            x, y, w, h = box = np.array(thing["box"], np.float64)
            borders = sum((x <= 1, y <= 1, x + w >= item["w"] - 1, y + h >= item["h"] - 1))
            if min(w, h) < _STILL_SIDE or w * h > _LARGEST_PART * item["w"] * item["h"] or borders > 1:
                continue
            name = f"{folder.name}/{Path(item['file']).stem}/{number}"
            found.append(VideoSequence(name, (_picture(folder, item["file"]),), box[None], folder.name))
    return found


def read_masked_objects(folder: Path) -> list[MaskedObject]:
    """List the objects that can be cut out of the pictures in a folder.

    With `annotations.json`, these are the objects with a mask and no side below 24 pixels, and each PNG or WebP
    picture without a mask, whose alpha channel is the mask. Without that file, they are all PNG and WebP pictures.
    Raises DataError if the folder is missing, or a picture that `annotations.json` names.
    """
    if not (folder / "annotations.json").is_file():
        return [MaskedObject(path, None) for path in read_pictures(folder) if path.suffix.lower() in _WITH_ALPHA]
    found = []
    for item in _items(folder):
        image = _picture(folder, item["file"])
        if not item.get("mask"):
            if image.suffix.lower() in _WITH_ALPHA:
                found.append(MaskedObject(image, None))
            continue
        mask = _picture(folder, item["mask"])
        found += [
            MaskedObject(image, mask, int(thing["mask_id"]))
            for thing in item["objects"]
            if thing.get("mask_id") is not None and min(thing["box"][2:]) >= _CUT_OUT_SIDE
        ]
    return found


def read_pictures(folder: Path) -> list[Path]:
    """List the pictures that `annotations.json` names, else all of the folder; raises DataError if there are none."""
    if (folder / "annotations.json").is_file():
        return [_picture(folder, item["file"]) for item in _items(folder)]
    found = list_pictures(folder) if folder.is_dir() else []
    if not found:
        raise DataError(f"there are no pictures in {folder}; put them there, or leave the folder out")
    return found


def _items(folder: Path) -> list[dict[str, Any]]:
    path = folder / "annotations.json"
    content = read_json_file(path, DataError, LARGEST_ANNOTATION)
    items = content.get("items") if isinstance(content, dict) else None
    if not isinstance(items, list) or not all(map(_is_item, items)):
        raise DataError(f'{path} must hold {{"items": [{{"file", "w", "h", "objects": [{{"box": [x, y, w, h]}}]}}]}}')
    return items


def _is_item(item: Any) -> bool:
    """Tell whether an entry of `annotations.json` has its fields, of the right kinds."""
    things = item.get("objects") if isinstance(item, dict) else None
    if not isinstance(things, list) or not isinstance(item.get("mask", ""), str | NoneType):
        return False
    sizes = all(isinstance(item.get(side), int | float) and 0 < item[side] < 2**31 for side in "wh")
    return sizes and isinstance(item.get("file"), str) and all(map(_is_object, things))


def _is_object(thing: Any) -> bool:
    if not isinstance(thing, dict) or not isinstance(thing.get("mask_id", 0), int | NoneType):
        return False
    box = thing.get("box")
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) and abs(v) < 1e9 for v in box)


def _picture(folder: Path, name: str) -> Path:
    path_below(folder, name, folder / "annotations.json")
    for candidate in (folder / name, folder / "images" / name, folder / "masks" / name):
        if path_kind(candidate) == "file":
            return candidate
    raise DataError(f"{folder / 'annotations.json'} names {name}, which is not there; add the file or remove its entry")
