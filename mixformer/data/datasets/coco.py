"""COCO 2017: pictures with boxes. Each box is a sequence of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixformer.data.datasets.annotation_cache import cached_index, read_whole
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, one_database, pack_item
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.data.storage import ArchiveStorage, Storage, describe_key, open_storage
from mixformer.errors import DataError, malformed_as_data_error
from mixformer.files import parse_json

_LAYOUT = (
    "annotations/instances_train2017.json (or annotations_trainval2017.zip) and train2017/ or images/train2017/ "
    "(or train2017.zip), or one LMDB database with annotations/... and images/train2017/..."
)
_SPLITS = {"train": "train2017, without crowds (about 850,000 objects)", "val": "val2017, without crowds"}


@dataclass(frozen=True)
class CocoIndex:
    """The used content of an annotation file."""

    files: NDArray[np.str_]  # (pictures,) file names
    picture: NDArray[np.int32]  # (n,) row in `files` of each object
    boxes: NDArray[np.float32]  # (n, 4) xywh in pixels
    kind: NDArray[np.int16]  # (n,) row in `kinds`
    kinds: NDArray[np.str_]  # names of the classes
    ids: NDArray[np.int64]  # (n,) the objects' own numbers


@dataclass(frozen=True)
class _Place:
    """Places of the annotation file and of the pictures."""

    storage: Storage
    annotation: str
    pictures: Storage
    folder: str


def parse_index(data: bytes, name: str) -> dict[str, Any]:
    """Parse the fields of a `CocoIndex` from an instances file; raises DataError if it is not one."""
    with malformed_as_data_error(f"{name} is not an instances file of COCO, download it again"):
        content = parse_json(data, name)
        pictures, objects = content["images"], [a for a in content["annotations"] if not a.get("iscrowd", 0)]
        kinds = {kind["id"]: kind["name"] for kind in content["categories"]}
        rows = {picture["id"]: row for row, picture in enumerate(pictures)}
        kind_rows = {number: row for row, number in enumerate(kinds)}
        return {
            "files": np.array([picture["file_name"] for picture in pictures], np.str_),
            "picture": np.array([rows[thing["image_id"]] for thing in objects], np.int32),
            "boxes": np.array([thing["bbox"] for thing in objects], np.float32).reshape(-1, 4),
            "kind": np.array([kind_rows[thing["category_id"]] for thing in objects], np.int16),
            "kinds": np.array(list(kinds.values()), np.str_),
            "ids": np.array([thing["id"] for thing in objects], np.int64),
        }


@dataclass(frozen=True)
class _Reader:
    """Makes the sequence of object number i."""

    index: CocoIndex
    place: _Place

    def __call__(self, number: int) -> VideoSequence:
        file = str(self.index.files[self.index.picture[number]])
        frame = self.place.pictures.frame(f"{self.place.folder}/{file}")
        box = self.index.boxes[number].astype(np.float64)
        box = box if (box[2:] > 0).all() else np.full(4, np.nan)
        label = str(self.index.kinds[self.index.kind[number]])
        return VideoSequence(str(self.index.ids[number]), (frame,), box[None], "coco", label=label)


def find(root: Path, split: str) -> _Place | None:
    """Find the annotation and the pictures of a split under a root; None if either is missing."""
    year = f"{split}2017"
    annotation = f"annotations/instances_{year}.json"
    top = open_storage(root)
    zipped = root / "annotations_trainval2017.zip"
    homes = [top, ArchiveStorage(zipped)] if zipped.is_file() else [top]
    storage = next((s for s in homes if f"instances_{year}.json" in s.listing("annotations")[1]), None)
    if storage is None:
        return None
    images = ArchiveStorage(root / f"{year}.zip")
    if images.root.is_file():
        return _Place(storage, annotation, images, year)
    folder = next((f"{above}{year}" for above in ("", "images/") if year in top.listing(above.rstrip("/"))[0]), None)
    return _Place(storage, annotation, top, folder) if folder else None


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """Read the objects of a split; the annotation is parsed only once if `cache` names a folder."""
    place = find(root, options.split)
    if place is None:
        raise DataError(f"no coco {options.split}2017 in {root}; looked for {_LAYOUT}")
    storage, key = place.storage, place.annotation
    file = describe_key(storage, key)
    index = CocoIndex(**cached_index(storage, key, options.cache, lambda: parse_index(read_whole(storage, key), file)))
    if not len(index.boxes):
        raise DataError(f"{file} holds no objects; check that it is the right file")
    return LazySequences([str(number) for number in index.ids.tolist()], _Reader(index, place), "coco")


def detect(root: Path) -> bool:
    """Return whether there is an instances file with its pictures."""
    return any(find(root, split) for split in _SPLITS)


def pack_items(root: Path) -> Iterator[PackItem]:
    """Yield the entries of a database: annotations/instances_train2017.json and images/train2017/..."""
    for split in _SPLITS:
        place = find(root, split)
        if place:
            yield place.annotation, pack_item(place.storage, place.annotation)
            for name in place.pictures.listing(place.folder)[1]:
                yield f"images/{split}2017/{name}", pack_item(place.pictures, f"{place.folder}/{name}")


COCO = DatasetSpec(
    "coco", "COCO 2017, pictures", _SPLITS, _LAYOUT, frozenset({"cache"}), detect, read, one_database(pack_items)
)
