"""TNL2K: 1300 training videos with a description in words, which is not used here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mixformer.data.datasets.benchmark import listed_set, pick
from mixformer.data.datasets.benchmark_reader import StrictRules
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec, PackItem, choose, pack_video, video_set
from mixformer.data.datasets.video_folders import Rules, Video
from mixformer.data.lists import Row, read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import FolderStore, find_folders, stores

_LAYOUT = (
    "TNL2K_train_subset/NAME/ (or NAME/) with groundtruth.txt and imgs/, as folders, as zip files or in one LMDB "
    "database"
)
_RULES, _TEST = Rules(first=None), StrictRules(first=None)


def find(root: Path) -> Iterator[Video]:
    """All videos under a root (or under TNL2K_train_subset in it), in name order within each folder or archive."""
    for store in stores(root):
        for folder in find_folders(store, "groundtruth.txt", 2 if isinstance(store, FolderStore) else 3):
            if "imgs" in store.listing(folder)[0]:
                name = folder.rpartition("/")[2]
                yield Video(name, store, f"{folder}/groundtruth.txt", store, f"{folder}/imgs")


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """The set under a root; pictures and boxes are paired in order, and every frame counts as visible."""
    if options.split == "test":
        return listed_set(test_rows(), pick(test_rows(), find(root), _TEST), options, "tnl2k", root, _LAYOUT)
    return video_set(choose(list(find(root)), options), _RULES, "tnl2k", root, _LAYOUT)


def test_rows() -> tuple[Row, ...]:
    """The 700 test videos."""
    return read_list("tnl2k")


def detect(root: Path) -> bool:
    """Whether some folder has boxes and pictures in imgs/."""
    return next(find(root), None) is not None


def pack(root: Path) -> Mapping[str, Iterator[PackItem]]:
    """One database with the keys TNL2K_train_subset/NAME/..."""
    return {"": (item for video in find(root) for item in pack_video(video, f"TNL2K_train_subset/{video.name}"))}


TNL2K = DatasetSpec(
    "tnl2k",
    "TNL2K, videos with descriptions",
    {"train": "whatever is there (1300)", "test": "700 videos"},
    _LAYOUT,
    frozenset({"ids", "exclude"}),
    detect,
    read,
    pack,
    {"test": test_rows},
)
