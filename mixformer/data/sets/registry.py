"""The table of known sets, opening one, and recognising what is in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from mixformer.data.folder import lazy_sequences, read_sequence, read_sequences
from mixformer.data.sequence import LazySequences, Sequence
from mixformer.data.sets.base import DataSet, SetOptions
from mixformer.data.sets.coco import COCO
from mixformer.data.sets.got10k import GOT10K
from mixformer.data.sets.lasot import LASOT, LASOT_EXT
from mixformer.data.sets.listed import read_json
from mixformer.data.sets.short import AVIST, NFS, OTB100, TC128, UAV123
from mixformer.data.sets.tnl2k import TNL2K
from mixformer.data.sets.trackingnet import TRACKINGNET
from mixformer.data.sets.vid import VID
from mixformer.data.sets.vot import VOT2020, VOT2022
from mixformer.errors import DataError

_TRAINING = (LASOT, GOT10K, TRACKINGNET, COCO, VID, TNL2K)
_BENCHMARKS = (LASOT_EXT, UAV123, OTB100, NFS, TC128, AVIST, VOT2022, VOT2020)

SETS: Mapping[str, DataSet] = MappingProxyType({known.name: known for known in (*_TRAINING, *_BENCHMARKS)})
"""The sets of the papers by name."""

OWN_LAYOUT = "NAME/img/* with NAME/groundtruth.txt, or one JSON file of sequences (docs/data.md)"


def open_set(name: str, root: Path, options: SetOptions | None = None) -> LazySequences:
    """A known set; its annotations and pictures are read when they are needed.

    Args:
        name: a key of `SETS`.
        root: its folder or archive.
        options: split and lists of sequences; None takes the set's first split.

    Raises:
        DataError: for an unknown name, split or option, or if the set is not there.
        MissingDependencyError: for an LMDB database without `lmdb` installed.
    """
    if name not in SETS:
        raise DataError(f"there is no data set called {name!r}; known are {', '.join(SETS)}")
    known, options = SETS[name], options or SetOptions()
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


def recognise(root: Path) -> str | None:
    """Name of the known set in a folder or archive, or None."""
    # From the last: the later ones look for more particular things.
    return next((name for name in reversed(tuple(SETS)) if SETS[name].recognise(root)), None)


def absent(name: str, split: str, found: LazySequences) -> tuple[list[str], int]:
    """Sequences of the published list of a test split that are not among those found, and the list's length.

    Args:
        name: a key of `SETS`.
        split: "" takes the set's first.
        found: what `open_set` gave, without `ids` or `exclude`.

    Returns:
        Nothing and 0 for a split without a list.
    """
    rows = SETS[name].rows.get(split or next(iter(SETS[name].splits)))
    names, there = [row.name for row in rows()] if rows else [], set(found.names)
    return [name for name in names if name not in there], len(names)


def known_set(path: Path) -> str:
    """Name of the known set at a path; "" for a user's own sequences, which have img/, and for what is not there."""
    folders = any(path.glob("*/img")) and any(path.glob("*/groundtruth.txt"))
    own = path.suffix.lower() == ".json" or (path / "img").is_dir() or folders
    return "" if own or not path.exists() else recognise(path) or ""


def read_any(path: Path, split: str = "", *, lazy: bool = False) -> SequenceOf[Sequence]:
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
    if name := recognise(path):
        return open_set(name, path, SetOptions(split))
    layouts = "\n".join(f"  {known.name}: {known.layout}" for known in SETS.values())
    raise DataError(f"{path} holds no sequences; looked for\n  your own: {OWN_LAYOUT}\n{layouts}")
