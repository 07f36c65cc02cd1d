"""TNL2K: 1300 training videos with descriptions in words. The descriptions are not read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

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
from mixformer.data.datasets.sequence_files import SequenceFiles, SequenceLayout
from mixformer.data.lists import read_list
from mixformer.data.sequence import LazySequences
from mixformer.data.storage import FolderStorage, find_folders, find_storages

_LAYOUT = (
    "TNL2K_train_subset/NAME/ (or NAME/) with groundtruth.txt and imgs/, as folders, as zip files or in one LMDB "
    "database"
)
_FILES = SequenceLayout(first_number=None)
_TEST_LIST = partial(read_list, "tnl2k")


def find(root: Path) -> Iterator[SequenceFiles]:
    """Yield all videos under a root, or under TNL2K_train_subset in it, in name order in each folder or archive."""
    for storage in find_storages(root):
        for folder in find_folders(storage, "groundtruth.txt", 2 if isinstance(storage, FolderStorage) else 3):
            if "imgs" in storage.listing(folder)[0]:
                name = folder.rpartition("/")[2]
                yield SequenceFiles(name, storage, f"{folder}/groundtruth.txt", storage, f"{folder}/imgs", _FILES)


def read(root: Path, options: DatasetOptions) -> LazySequences:
    """Read the data set under a root; pictures and boxes are paired in order, and all frames count as visible."""
    if options.split == "test":
        return listed_sequences(_TEST_LIST(), find(root), options, "tnl2k", root, _LAYOUT, _FILES)
    return training_sequences(select_sequences(list(find(root)), options), "tnl2k", root, _LAYOUT)


def detect(root: Path) -> bool:
    """Return whether some folder has boxes and pictures in imgs/."""
    return next(find(root), None) is not None


def pack_items(root: Path) -> Iterator[PackItem]:
    """Yield the entries of a database: TNL2K_train_subset/NAME/..."""
    for files in find(root):
        yield from pack_sequence(files, f"TNL2K_train_subset/{files.name}")


TNL2K = DatasetSpec(
    "tnl2k",
    "TNL2K, videos with descriptions",
    {"train": "every video that is there (1300)", "test": "700 videos"},
    _LAYOUT,
    frozenset({"ids", "exclude"}),
    detect,
    read,
    one_database(pack_items),
    {"test": _TEST_LIST},
)
