"""TrackingNet: thirty thousand videos in twelve parts of the training set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from mixformer.data.datasets.benchmark import listed_set, pick
from mixformer.data.datasets.benchmark_reader import StrictRules
from mixformer.data.datasets.dataset_spec import (
    DatasetOptions,
    DatasetSpec,
    PackItem,
    choose,
    entry,
    number_of,
    video_set,
)
from mixformer.data.datasets.video_folders import Rules, Video
from mixformer.data.lists import Row, read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import ArchiveStore, FolderStore, open_store
from mixformer.errors import DataError

_LAYOUT = (
    "TRAIN_0 ... TRAIN_11/ or TEST/ with anno/NAME.txt and frames/NAME/0.jpg ... or zips/NAME.zip, as folders, or "
    "seq_list.json beside the LMDB databases TRAIN_0_lmdb ..., or TEST_lmdb"
)
_LIST = "seq_list.json"
_TEST_PART = "TEST"
_RULES, _TEST = Rules(first=0), StrictRules(first=0, only_first=True)


def find(root: Path, parts: tuple[str, ...]) -> Iterator[Video]:
    """Videos of the given parts (such as "TRAIN_3") under a root, in name order; no video's folder is looked into."""
    for part in parts:
        if (root / f"{part}_lmdb").is_dir():
            yield from _packed(root, part)
        else:
            yield from _plain(FolderStore(root), part)


def _plain(store: FolderStore, part: str) -> Iterator[Video]:
    zipped = set(store.listing(f"{part}/zips")[1])
    for file in store.listing(f"{part}/anno")[1]:
        name, dot, ending = file.rpartition(".")
        if not dot or ending != "txt":
            continue
        truth = f"{part}/anno/{file}"
        if f"{name}.zip" in zipped:
            yield Video(name, store, truth, ArchiveStore(store.root / part / "zips" / f"{name}.zip"), None)
        else:
            yield Video(name, store, truth, store, f"{part}/frames/{name}")


def _packed(root: Path, part: str) -> Iterator[Video]:
    store = open_store(root / f"{part}_lmdb")
    if part == _TEST_PART:  # the official list of packed videos knows the training parts alone
        names = [file.removesuffix(".txt") for file in store.listing("anno")[1]]
    else:
        names = [name for number, name in _sequence_list(root) if number == number_of(part)]
    for name in names:
        yield Video(name, store, f"anno/{name}.txt", store, f"frames/{name}")


def _sequence_list(root: Path) -> list[tuple[int, str]]:
    """Part and name of every packed video."""
    try:
        return [(int(number), str(name)) for number, name in json.loads((root / _LIST).read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"cannot read {root / _LIST} as a list of [part, name] pairs: {error}") from error


def parts_of(root: Path) -> tuple[str, ...]:
    """The parts of the training set that are there, by number."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; looked for {_LAYOUT}")
    names = {path.name.removesuffix("_lmdb") for path in root.glob("TRAIN_*") if path.is_dir()}
    return tuple(sorted(names, key=lambda name: number_of(name) or 0))


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """The set under a root, or the parts of it that `chunks` names."""
    if options.split == "test":
        found = pick(test_rows(), find(root, (_TEST_PART,)), _TEST)
        return listed_set(test_rows(), found, options, "trackingnet", root, _LAYOUT)
    parts = parts_of(root)
    if options.chunks:
        wanted = tuple(f"TRAIN_{number}" for number in options.chunks)
        if gone := [name for name in wanted if name not in parts]:
            raise DataError(f"trackingnet in {root} has no {', '.join(gone)}; found {', '.join(parts) or 'no part'}")
        parts = wanted
    videos = choose(list(find(root, parts)), options)
    return video_set(videos, _RULES, "trackingnet", root, _LAYOUT)


def test_rows() -> tuple[Row, ...]:
    """The 511 test videos."""
    return read_list("trackingnet")


def detect(root: Path) -> bool:
    """Whether there is a part."""
    return root.is_dir() and bool(parts_of(root) or _has_test(root))


def _has_test(root: Path) -> bool:
    return (root / _TEST_PART / "anno").is_dir() or (root / f"{_TEST_PART}_lmdb").is_dir()


def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
    """One database for each part with the keys anno/NAME.txt and frames/NAME/0.jpg, and the list of training videos."""
    parts = parts_of(root)
    listed = [[number_of(part), video.name] for part in parts for video in find(root, (part,))]
    files: dict[str, Iterator[PackItem]] = {}
    if listed:
        files[_LIST] = iter([(_LIST, json.dumps(listed).encode())])
    return files | {f"{part}_lmdb": _items(root, part) for part in (*parts, *([_TEST_PART] * _has_test(root)))}


def _items(root: Path, part: str) -> Iterator[PackItem]:
    for video in find(root, (part,)):
        yield f"anno/{video.name}.txt", entry(video.store, video.truth)
        place = video.place()
        for name in video.pictures.listing(place)[1]:
            yield f"frames/{video.name}/{name}", entry(video.pictures, f"{place}/{name}".lstrip("/"))


TRACKINGNET = DatasetSpec(
    "trackingnet",
    "TrackingNet, videos of the web",
    {"train": "the parts that are there, or those of `chunks`", "test": "TEST: the first box alone"},
    _LAYOUT,
    frozenset({"ids", "exclude", "chunks"}),
    detect,
    read,
    pack,
    {"test": test_rows},
)
