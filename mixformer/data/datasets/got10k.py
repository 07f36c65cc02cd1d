"""GOT-10k: 9335 short training videos, 180 for validation and 180 for testing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixformer.data.datasets.benchmark import listed_set, pick
from mixformer.data.datasets.benchmark_reader import StrictRules
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, choose, pack_video, video_set
from mixformer.data.datasets.video_folders import Rules, Video, parse_numbers
from mixformer.data.lists import Row, read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import Store, find_folders, read_text, stores
from mixformer.errors import DataError

_LAYOUT = (
    "train/list.txt and train/GOT-10k_Train_000001/ with groundtruth.txt, absence.label, cover.label, meta_info.ini "
    "and 00000001.jpg ... (val/ and test/ alike), as folders, as zip files or in one LMDB database"
)
SPLITS = {
    "train_full": "every video of train/ (9335)",
    "train": "train/, or those of it that `ids` names (7934 in the official split)",
    "vottrain": "train/ without the videos of the VOT challenge: needs `ids` (7086) or `exclude`",
    "votval": "the part of train/ held out for vottrain: needs `ids` (1249)",
    "val": "val/, or with `ids` a part of train/ (1401 in the official split)",
    "test": "test/: the first box alone",
}


def absent(text: str) -> NDArray[np.bool_]:
    """absence.label: 1 where the target is out of view or fully occluded."""
    return parse_numbers(text) > 0


def covered(text: str) -> NDArray[np.bool_]:
    """cover.label: 0 (nothing of the target to be seen) to 8 (all of it)."""
    return parse_numbers(text) <= 0


def class_of(video: Video) -> str:
    """`object_class` of meta_info.ini."""
    for line in (video.beside("meta_info.ini") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "object_class":
            return value.strip()
    return ""


_FLAGS = (("absence.label", absent), ("cover.label", covered))
_RULES = Rules(1, _FLAGS, class_of)
_STRICT = {
    "val": StrictRules(flags=_FLAGS, label=class_of),
    "test": StrictRules(label=class_of, only_first=True),
}


def find(root: Path, part: str) -> Iterator[Video]:
    """Videos of `train`, `val` or `test` under a root: those of a list.txt in its order, else all in name order."""
    for store in stores(root):
        folder, names = _folder(store, part), list[str]()
        if folder is not None:
            names = (read_text(store, f"{folder}/list.txt".lstrip("/")) or "").split()
            names = names or [n for n in store.listing(folder)[0] if _is_of(n, part)]
        for name in names:
            place = f"{folder}/{name}".lstrip("/")
            yield Video(name, store, f"{place}/groundtruth.txt", store, place)


def _folder(store: Store, part: str) -> str | None:
    """Key of the folder with the videos of a part; None if the store has none."""
    top = store.listing("")[0]
    if part in top:
        return part
    found = next(iter(find_folders(store, "groundtruth.txt", 2)), None)
    if found is None or not _is_of(found.rpartition("/")[2], part):
        return None
    return found.rpartition("/")[0]


def _is_of(name: str, part: str) -> bool:
    return name.lower().startswith(f"got-10k_{part}")


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """A split of the set under a root."""
    split = options.split
    if split in ("vottrain", "votval") and not (options.ids or (options.exclude and split == "vottrain")):
        raise DataError(
            f"got10k {split} needs `ids`, the text file of its sequences (row numbers from 0, or names)"
            + (", or `exclude`, the list of videos that the VOT challenge uses" if split == "vottrain" else "")
        )
    if split == "test" or (split == "val" and not options.ids):
        rows = ROWS[split]()
        return listed_set(rows, pick(rows, find(root, split), _STRICT[split]), options, "got10k", root, _LAYOUT)
    return video_set(choose(list(find(root, "train")), options), _RULES, "got10k", root, _LAYOUT)


def val_rows() -> tuple[Row, ...]:
    """The 180 videos for validation."""
    return read_list("got10k_val")


def test_rows() -> tuple[Row, ...]:
    """The 180 videos for testing."""
    return read_list("got10k_test")


ROWS = {"val": val_rows, "test": test_rows}
"""Published lists, by split."""


def detect(root: Path) -> bool:
    """Whether there are videos with GOT-10k's names."""
    return any(next(find(root, part), None) is not None for part in ("train", "val", "test"))


def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
    """One database with the keys train/list.txt, train/NAME/... (val and test alike)."""
    return {"": _items(root)}


def _items(root: Path) -> Iterator[PackItem]:
    for part in ("train", "val", "test"):
        videos = list(find(root, part))
        if videos:
            yield f"{part}/list.txt", "".join(f"{video.name}\n" for video in videos).encode()
        for video in videos:
            yield from pack_video(video, f"{part}/{video.name}")


GOT10K = DatasetSpec(
    "got10k", "GOT-10k, short videos", SPLITS, _LAYOUT, frozenset({"ids", "exclude"}), detect, read, pack, ROWS
)
