"""LaSOT: 1400 long videos of 70 classes, of which 1120 are for training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixformer.data.datasets.benchmark import listed_set, pick
from mixformer.data.datasets.benchmark_reader import StrictRules
from mixformer.data.datasets.dataset_spec import (
    DatasetOptions,
    DatasetSpec,
    PackItem,
    choose,
    entry,
    pack_video,
    video_set,
)
from mixformer.data.datasets.video_folders import Rules, Video, parse_numbers
from mixformer.data.lists import Row, read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import FolderStore, find_folders, open_store, read_text, stores
from mixformer.errors import DataError

_LAYOUT = (
    "CLASS/CLASS-N/ with groundtruth.txt, full_occlusion.txt, out_of_view.txt and img/00000001.jpg ..., "
    "as folders, as CLASS.zip files or in one LMDB database"
)
_LISTS = ("training_set.txt", "testing_set.txt")


def marks(text: str) -> NDArray[np.bool_]:
    """True where a line of 0 and 1 has a 1."""
    return parse_numbers(text) > 0


def class_of(video: Video) -> str:
    """The class is the name up to its number."""
    return video.name.rpartition("-")[0]


_FLAGS = (("full_occlusion.txt", marks), ("out_of_view.txt", marks))
_RULES = Rules(1, _FLAGS, class_of)
_TEST = StrictRules(flags=_FLAGS, label=class_of, origin=1)
_TEST_EXT = StrictRules(flags=_FLAGS, label=class_of)


def find(root: Path, marker: str = "groundtruth.txt") -> Iterator[Video]:
    """All videos under a root whose folder has a file called `marker`."""
    for store in stores(root):
        for folder in find_folders(store, marker, 2 if isinstance(store, FolderStore) else 3):
            yield Video(folder.rpartition("/")[2], store, f"{folder}/groundtruth.txt", store, f"{folder}/img")


def _order(video: Video) -> tuple[str, int]:
    name, _, number = video.name.rpartition("-")
    return name, int(number) if number.isdigit() else 0


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """The set under a root; `train` needs one of the benchmark's own lists in the root, or `ids` or `exclude`."""
    if options.split == "test":
        return listed_set(test_rows(), pick(test_rows(), find(root), _TEST), options, "lasot", root, _LAYOUT)
    videos = choose(sorted(find(root), key=_order), options)
    if videos and options.split == "train" and not (options.ids or options.exclude):
        videos = _training(root, videos)
    return video_set(videos, _RULES, "lasot", root, _LAYOUT)


def _training(root: Path, videos: list[Video]) -> list[Video]:
    """Without the benchmark's test videos."""
    for name in _LISTS:
        if text := read_text(open_store(root), name):
            listed = set(text.split())
            return [video for video in videos if (video.name in listed) == (name == "training_set.txt")]
    raise DataError(
        f"{root} has no training_set.txt or testing_set.txt, so the 280 test videos cannot be left out; put one of the "
        "lists that come with LaSOT there, give it as `ids` or `exclude`, or take split `all`"
    )


def test_rows() -> tuple[Row, ...]:
    """The 280 test videos."""
    return read_list("lasot")


def ext_rows() -> tuple[Row, ...]:
    """The 150 videos of the extension."""
    return read_list("lasot_ext")


def read_ext(root: Path, options: DatasetOptions) -> LazySequences:
    """The extension under a root."""
    return listed_set(ext_rows(), pick(ext_rows(), find(root), _TEST_EXT), options, "lasot_ext", root, _LAYOUT)


def detect(root: Path) -> bool:
    """Whether some video has LaSOT's mark of full occlusion."""
    return next(find(root, "full_occlusion.txt"), None) is not None


def detect_ext(root: Path) -> bool:
    """Whether the first such video is of the extension."""
    first = next(find(root, "full_occlusion.txt"), None)
    return first is not None and first.name in {row.name for row in ext_rows()}


def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
    """One database with the keys CLASS/CLASS-N/..., and the lists of videos that lie in the root."""
    return {"": _items(root)}


def _items(root: Path) -> Iterator[PackItem]:
    store = open_store(root)
    yield from ((name, entry(store, name)) for name in _LISTS if name in store.listing("")[1])
    for video in find(root):
        yield from pack_video(video, f"{class_of(video)}/{video.name}")


LASOT = DatasetSpec(
    "lasot",
    "LaSOT, long videos of 70 classes",
    {
        "train": "1120 videos: those of training_set.txt, or those not in testing_set.txt",
        "all": "whatever is there",
        "test": "280 videos",
    },
    _LAYOUT,
    frozenset({"ids", "exclude", "keep_one_based"}),
    detect,
    read,
    pack,
    {"test": test_rows},
)

LASOT_EXT = DatasetSpec(
    "lasot_ext",
    "LaSOT_ext, its extension by 15 classes",
    {"test": "150 videos"},
    _LAYOUT,
    frozenset({"ids", "exclude", "keep_one_based"}),
    detect_ext,
    read_ext,
    pack,
    {"test": ext_rows},
)
