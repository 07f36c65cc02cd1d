"""The table of known sets, opening one, and recognizing what is in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from mixformer.data.annotated_folders import lazy_sequences, read_sequence, read_sequences
from mixformer.data.datasets.coco import COCO
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec
from mixformer.data.datasets.got10k import GOT10K
from mixformer.data.datasets.json_dataset import read_json
from mixformer.data.datasets.lasot import LASOT, LASOT_EXT
from mixformer.data.datasets.otb_uav_nfs import AVIST, NFS, OTB100, TC128, UAV123
from mixformer.data.datasets.tnl2k import TNL2K
from mixformer.data.datasets.trackingnet import TRACKINGNET
from mixformer.data.datasets.vid import VID
from mixformer.data.datasets.vot_sequences import VOT2020, VOT2022
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.errors import DataError

_TRAINING = (LASOT, GOT10K, TRACKINGNET, COCO, VID, TNL2K)
_BENCHMARKS = (LASOT_EXT, UAV123, OTB100, NFS, TC128, AVIST, VOT2022, VOT2020)

DATASETS: Mapping[str, DatasetSpec] = MappingProxyType({known.name: known for known in (*_TRAINING, *_BENCHMARKS)})
"""The sets of the papers by name."""

OWN_LAYOUT = "NAME/img/* with NAME/groundtruth.txt, or one JSON file of sequences (docs/data.md)"


def load_dataset(name: str, root: Path, options: DatasetOptions | None = None) -> LazySequences:
    """A known set; its annotations and pictures are read when they are needed.

    Args:
        name: a key of `DATASETS`.
        root: its folder or archive.
        options: split and lists of sequences; None takes the set's first split.

    Raises:
        DataError: for an unknown name, split or option, or if the set is not there.
        MissingDependencyError: for an LMDB database without `lmdb` installed.
    """
    if name not in DATASETS:
        raise DataError(f"there is no data set called {name!r}; known are {', '.join(DATASETS)}")
    known, options = DATASETS[name], options or DatasetOptions()
    options = replace(options, split=options.split or next(iter(known.splits)))
    if options.split not in known.splits:
        raise DataError(f"{name} has no split {options.split!r}; it has {', '.join(known.splits)}")
    for field in fields(options):
        if field.name not in known.takes | {"split"} and getattr(options, field.name) != field.default:
            takes = ", ".join(sorted(known.takes))
            raise DataError(f"{name} does not take {field.name!r}; it takes split, {takes}")
    if not root.exists():
        raise DataError(f"{root} is not there; for {name} looked for {known.layout}")
    return known.read(root, options)


def detect_dataset(path: Path, *, custom_first: bool = True) -> str | None:
    """Name of the public data set at a path, told by its file names.

    Args:
        path: folder or archive.
        custom_first: a path that also reads as custom data (sequence folders with `img/`, or a JSON file) is taken as
            such. False looks for public data sets alone.

    Returns:
        A key of `DATASETS`, or None for custom data, unknown data and a path that does not exist.
    """
    folders = any(path.glob("*/img")) and any(path.glob("*/groundtruth.txt"))
    custom = path.suffix.lower() == ".json" or (path / "img").is_dir() or folders
    if custom_first and (custom or not path.exists()):
        return None
    # From the last: the later ones look for more particular files.
    return next((name for name in reversed(tuple(DATASETS)) if DATASETS[name].detect(path)), None)


def missing_sequences(name: str, split: str, found: LazySequences) -> tuple[list[str], int]:
    """Sequences of a test split's published list that were not found, and the length of that list.

    Args:
        name: a key of `DATASETS`.
        split: "" takes the data set's first split.
        found: result of `load_dataset` without `ids` and `exclude`.

    Returns:
        An empty list and 0 for a split without a published list.
    """
    rows = DATASETS[name].rows.get(split or next(iter(DATASETS[name].splits)))
    names, there = [row.name for row in rows()] if rows else [], set(found.names)
    return [name for name in names if name not in there], len(names)


def read_any(path: Path, split: str = "", *, lazy: bool = False) -> Sequence[VideoSequence]:
    """Whatever is at a path: a user's own folder or JSON file, one sequence folder, or a known set.

    Args:
        path: folder, archive or JSON file.
        split: of a known set.
        lazy: read the sequences of a user's own folder one by one when they are indexed, so that a broken one
            spoils none of the others; otherwise it is an error at once.

    Raises:
        DataError: if it is none of these, saying what was looked for.
    """
    if path.is_file() and path.suffix.lower() == ".json":
        return read_json(path)
    if (path / "groundtruth.txt").is_file() and (path / "img").is_dir():
        return [read_sequence(path)]
    if any(path.glob("*/img")) and any(path.glob("*/groundtruth.txt")):
        return lazy_sequences(path) if lazy else read_sequences(path)
    if not path.exists():
        raise DataError(f"{path} is not there")
    if name := detect_dataset(path, custom_first=False):
        return load_dataset(name, path, DatasetOptions(split))
    layouts = "\n".join(f"  {known.name}: {known.layout}" for known in DATASETS.values())
    raise DataError(f"{path} holds no sequences; looked for\n  your own: {OWN_LAYOUT}\n{layouts}")
