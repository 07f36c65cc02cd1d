"""LaSOT: 1400 long videos of 70 classes, of which 1120 are for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mixformer.data.datasets.benchmarks import listed_sequences
from mixformer.data.datasets.dataset_spec import (
    DatasetOptions,
    DatasetSpec,
    PackItem,
    one_database,
    pack_item,
    pack_sequence,
    select_sequences,
    training_sequences,
)
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout, parse_flags
from mixformer.data.lists import read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import FolderStorage, find_folders, find_storages, open_storage, read_text
from mixformer.errors import DataError

_LAYOUT = (
    "CLASS/CLASS-N/ with groundtruth.txt, full_occlusion.txt, out_of_view.txt and img/00000001.jpg ..., "
    "as folders, as CLASS.zip files or in one LMDB database"
)
_LISTS = ("training_set.txt", "testing_set.txt")


def class_of(files: SequenceFiles) -> str:
    """Return the class of a video: its name without the number."""
    return files.name.rpartition("-")[0]


# The files count pixels from 1, but official training uses their numbers unchanged.
_TRAIN = SequenceLayout(flags=(("full_occlusion.txt", parse_flags), ("out_of_view.txt", parse_flags)), label=class_of)
_TEST = replace(_TRAIN, pixel_origin=1)
_TEST_LIST, _EXT_LIST = partial(read_list, "lasot"), partial(read_list, "lasot_ext")


def find(root: Path, marker: str = "groundtruth.txt") -> Iterator[SequenceFiles]:
    """Yield all videos under a root whose folder has a file called `marker`."""
    for storage in find_storages(root):
        for folder in find_folders(storage, marker, 2 if isinstance(storage, FolderStorage) else 3):
            name, boxes = folder.rpartition("/")[2], f"{folder}/groundtruth.txt"
            yield SequenceFiles(name, storage, boxes, storage, f"{folder}/img", _TRAIN)


def _order(files: SequenceFiles) -> tuple[str, int]:
    name, _, number = files.name.rpartition("-")
    return name, int(number) if number.isdigit() else 0


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """Read the data set under a root; `train` needs one of LaSOT's own lists in the root, or `ids` or `exclude`."""
    if options.split == "test":
        return listed_sequences(_TEST_LIST(), find(root), options, "lasot", root, _LAYOUT, _TEST)
    videos = select_sequences(sorted(find(root), key=_order), options)
    if videos and options.split == "train" and not (options.ids or options.exclude):
        videos = _training(root, videos)
    return training_sequences(videos, "lasot", root, _LAYOUT)


def _training(root: Path, videos: list[SequenceFiles]) -> list[SequenceFiles]:
    """Leave out the benchmark's test videos."""
    for name in _LISTS:
        if text := read_text(open_storage(root), name):
            listed = set(text.split())
            return [files for files in videos if (files.name in listed) == (name == "training_set.txt")]
    raise DataError(
        f"{root} has no training_set.txt or testing_set.txt, so the 280 test videos cannot be left out; put one of the "
        "lists that come with LaSOT there, give it as `ids` or `exclude`, or use split `all`"
    )


def detect(root: Path) -> bool:
    """Return whether some video has LaSOT's file of full occlusion."""
    return next(find(root, "full_occlusion.txt"), None) is not None


def detect_ext(root: Path) -> bool:
    """Return whether the first such video is part of the extension."""
    first = next(find(root, "full_occlusion.txt"), None)
    return first is not None and first.name in {listed.name for listed in _EXT_LIST()}


def pack_items(root: Path) -> Iterator[PackItem]:
    """Yield the entries of a database: CLASS/CLASS-N/..., and the lists of videos in the root."""
    storage = open_storage(root)
    yield from ((name, pack_item(storage, name)) for name in _LISTS if name in storage.listing("")[1])
    for files in find(root):
        yield from pack_sequence(files, f"{class_of(files)}/{files.name}")


LASOT = DatasetSpec(
    "lasot",
    "LaSOT, long videos of 70 classes",
    {
        "train": "1120 videos: those of training_set.txt, or those not in testing_set.txt",
        "all": "every video that is there",
        "test": "280 videos",
    },
    _LAYOUT,
    frozenset({"ids", "exclude", "keep_one_based"}),
    detect,
    read,
    one_database(pack_items),
    {"test": _TEST_LIST},
)

LASOT_EXT = DatasetSpec(
    "lasot_ext",
    "LaSOT_ext, its extension by 15 classes",
    {"test": "150 videos"},
    _LAYOUT,
    frozenset({"ids", "exclude", "keep_one_based"}),
    detect_ext,
    lambda root, options: listed_sequences(_EXT_LIST(), find(root), options, "lasot_ext", root, _LAYOUT, _TRAIN),
    one_database(pack_items),
    {"test": _EXT_LIST},
)
