"""GOT-10k: 9335 short training videos, 180 for validation and 180 for testing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixformer.data.datasets.benchmarks import listed_sequences
from mixformer.data.datasets.dataset_spec import (
    DatasetOptions,
    DatasetSpec,
    PackItem,
    one_database,
    pack_sequence,
    select_sequences,
    training_sequences,
)
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout, parse_flags, parse_numbers
from mixformer.data.lists import read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import Storage, find_folders, find_storages, read_text
from mixformer.errors import DataError

_LAYOUT = (
    "train/list.txt and train/GOT-10k_Train_000001/ with groundtruth.txt, absence.label, cover.label, meta_info.ini "
    "and 00000001.jpg ... (val/ and test/ alike), as folders, as zip files or in one LMDB database"
)
SPLITS = {
    "train_full": "every video of train/ (9335)",
    "train": "train/, or the videos of it that `ids` names (7934 in the official split)",
    "vottrain": "train/ without the videos of the VOT challenge: needs `ids` (7086) or `exclude`",
    "votval": "the part of train/ held out for vottrain: needs `ids` (1249)",
    "val": "val/, or with `ids` a part of train/ (1401 in the official split)",
    "test": "test/, with the first box only",
}


def fully_covered(text: str) -> NDArray[np.bool_]:
    """Return True where cover.label is 0: it goes from 0 (nothing of the target is visible) to 8 (all of it)."""
    return parse_numbers(text) <= 0


def class_of(files: SequenceFiles) -> str:
    """Read `object_class` of meta_info.ini."""
    for line in (files.text_beside("meta_info.ini") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "object_class":
            return value.strip()
    return ""


# absence.label: 1 where the target is out of view or fully occluded.
_FILES = SequenceLayout(flags=(("absence.label", parse_flags), ("cover.label", fully_covered)), label=class_of)
_LAYOUTS = {"val": _FILES, "test": replace(_FILES, flags=(), first_box_only=True)}
_LISTS = {"val": partial(read_list, "got10k_val"), "test": partial(read_list, "got10k_test")}


def find(root: Path, part: str) -> Iterator[SequenceFiles]:
    """Yield the videos of `train`, `val` or `test` under a root, in the order of list.txt if there is one."""
    for storage in find_storages(root):
        folder, names = _folder(storage, part), list[str]()
        if folder is not None:
            names = (read_text(storage, f"{folder}/list.txt".lstrip("/")) or "").split()
            names = names or [n for n in storage.listing(folder)[0] if _is_of(n, part)]
        for name in names:
            place = f"{folder}/{name}".lstrip("/")
            yield SequenceFiles(name, storage, f"{place}/groundtruth.txt", storage, place, _FILES)


def _folder(storage: Storage, part: str) -> str | None:
    """Key of the folder with the videos of a part; None if the storage has none."""
    top = storage.listing("")[0]
    if part in top:
        return part
    found = next(iter(find_folders(storage, "groundtruth.txt", 2)), None)
    if found is None or not _is_of(found.rpartition("/")[2], part):
        return None
    return found.rpartition("/")[0]


def _is_of(name: str, part: str) -> bool:
    return name.lower().startswith(f"got-10k_{part}")


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """Read a split of the data set under a root."""
    split = options.split
    if split in ("vottrain", "votval") and not (options.ids or (options.exclude and split == "vottrain")):
        raise DataError(
            f"got10k {split} needs `ids`, the text file of its sequences (row numbers from 0, or names)"
            + (", or `exclude`, the list of videos that the VOT challenge uses" if split == "vottrain" else "")
        )
    if split == "test" or (split == "val" and not options.ids):
        return listed_sequences(_LISTS[split](), find(root, split), options, "got10k", root, _LAYOUT, _LAYOUTS[split])
    return training_sequences(select_sequences(list(find(root, "train")), options), "got10k", root, _LAYOUT)


def detect(root: Path) -> bool:
    """Return whether there are videos with GOT-10k's names."""
    return any(next(find(root, part), None) is not None for part in ("train", "val", "test"))


def pack_items(root: Path) -> Iterator[PackItem]:
    """Yield the entries of a database: train/list.txt and train/NAME/..., and the same for val and test."""
    for part in ("train", "val", "test"):
        videos = list(find(root, part))
        if videos:
            yield f"{part}/list.txt", "".join(f"{files.name}\n" for files in videos).encode()
        for files in videos:
            yield from pack_sequence(files, f"{part}/{files.name}")


GOT10K = DatasetSpec(
    "got10k",
    "GOT-10k, short videos",
    SPLITS,
    _LAYOUT,
    frozenset({"ids", "exclude"}),
    detect,
    read,
    one_database(pack_items),
    _LISTS,
)
