"""TrackingNet: thirty thousand videos in twelve parts of the training set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from mixformer.data.datasets.benchmarks import listed_sequences
from mixformer.data.datasets.dataset_spec import (
    DatasetOptions,
    DatasetSpec,
    PackItem,
    pack_item,
    select_sequences,
    training_sequences,
)
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout, number_of
from mixformer.data.lists import read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import ArchiveStorage, FolderStorage, open_storage
from mixformer.errors import DataError
from mixformer.files import read_json_file

_LAYOUT = (
    "TRAIN_0 ... TRAIN_11/ or TEST/ with anno/NAME.txt and frames/NAME/0.jpg ... or zips/NAME.zip, as folders, or "
    "seq_list.json beside the LMDB databases TRAIN_0_lmdb ..., or TEST_lmdb"
)
_LIST = "seq_list.json"
_TEST_PART = "TEST"
_TRAIN = SequenceLayout(first_number=0)
_TEST = replace(_TRAIN, first_box_only=True)
_TEST_LIST = partial(read_list, "trackingnet")


def find(root: Path, parts: tuple[str, ...]) -> Iterator[SequenceFiles]:
    """Yield the videos of some parts (such as "TRAIN_3") under a root, in name order, without opening their folders."""
    for part in parts:
        if (root / f"{part}_lmdb").is_dir():
            yield from _packed(root, part)
        else:
            yield from _plain(FolderStorage(root), part)


def _plain(storage: FolderStorage, part: str) -> Iterator[SequenceFiles]:
    zipped = set(storage.listing(f"{part}/zips")[1])
    for file in storage.listing(f"{part}/anno")[1]:
        name, dot, ending = file.rpartition(".")
        if not dot or ending != "txt":
            continue
        boxes = f"{part}/anno/{file}"
        if f"{name}.zip" in zipped:
            pictures = ArchiveStorage(storage.root / part / "zips" / f"{name}.zip")
            yield SequenceFiles(name, storage, boxes, pictures, None, _TRAIN)
        else:
            yield SequenceFiles(name, storage, boxes, storage, f"{part}/frames/{name}", _TRAIN)


def _packed(root: Path, part: str) -> Iterator[SequenceFiles]:
    storage = open_storage(root / f"{part}_lmdb")
    if part == _TEST_PART:  # the official list of packed videos has only the training parts
        names = [file.removesuffix(".txt") for file in storage.listing("anno")[1]]
    else:
        names = [name for number, name in _sequence_list(root) if number == number_of(part)]
    for name in names:
        yield SequenceFiles(name, storage, f"anno/{name}.txt", storage, f"frames/{name}", _TRAIN)


def _sequence_list(root: Path) -> list[tuple[int, str]]:
    """Read the part and name of each packed video."""
    try:
        return [(int(number), str(name)) for number, name in read_json_file(root / _LIST)]
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"cannot read {root / _LIST} as a list of [part, name] pairs: {error}") from error


def training_parts(root: Path) -> tuple[str, ...]:
    """Find the parts of the training set that are there, by number."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; looked for {_LAYOUT}")
    names = {path.name.removesuffix("_lmdb") for path in root.glob("TRAIN_*") if path.is_dir()}
    return tuple(sorted(names, key=lambda name: number_of(name) or 0))


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """Read the data set under a root, or the parts that `chunks` names."""
    if options.split == "test":
        return listed_sequences(_TEST_LIST(), find(root, (_TEST_PART,)), options, "trackingnet", root, _LAYOUT, _TEST)
    parts = training_parts(root)
    if options.chunks:
        wanted = tuple(f"TRAIN_{number}" for number in options.chunks)
        if gone := [name for name in wanted if name not in parts]:
            raise DataError(f"trackingnet in {root} has no {', '.join(gone)}; found {', '.join(parts) or 'no part'}")
        parts = wanted
    videos = select_sequences(list(find(root, parts)), options)
    return training_sequences(videos, "trackingnet", root, _LAYOUT)


def detect(root: Path) -> bool:
    """Return whether some part is there."""
    return root.is_dir() and bool(training_parts(root) or _has_test(root))


def _has_test(root: Path) -> bool:
    return (root / _TEST_PART / "anno").is_dir() or (root / f"{_TEST_PART}_lmdb").is_dir()


def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
    """Return one database for each part (anno/NAME.txt and frames/NAME/0.jpg), and the list of training videos."""
    parts = training_parts(root)
    listed = [[number_of(part), files.name] for part in parts for files in find(root, (part,))]
    lists = {_LIST: iter([(_LIST, json.dumps(listed).encode())])} if listed else {}
    return lists | {f"{part}_lmdb": _items(root, part) for part in (*parts, *([_TEST_PART] * _has_test(root)))}


def _items(root: Path, part: str) -> Iterator[PackItem]:
    for files in find(root, (part,)):
        yield f"anno/{files.name}.txt", pack_item(files.storage, files.annotation)
        folder = files.picture_folder()
        for name in files.picture_storage.listing(folder)[1]:
            yield f"frames/{files.name}/{name}", pack_item(files.picture_storage, f"{folder}/{name}".lstrip("/"))


TRACKINGNET = DatasetSpec(
    "trackingnet",
    "TrackingNet, videos of the web",
    {"train": "the parts that are there, or those of `chunks`", "test": "TEST, with the first box only"},
    _LAYOUT,
    frozenset({"ids", "exclude", "chunks"}),
    detect,
    read,
    pack,
    {"test": _TEST_LIST},
)
