"""The table of data sets, and the functions that load one by name or detect which one a folder holds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

from mixformer.data.annotated_folders import lazy_sequences, read_json, read_sequence, read_sequences
from mixformer.data.datasets.coco import COCO
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec
from mixformer.data.datasets.got10k import GOT10K
from mixformer.data.datasets.lasot import LASOT, LASOT_EXT
from mixformer.data.datasets.otb_uav_nfs import AVIST, NFS, OTB100, TC128, UAV123
from mixformer.data.datasets.tnl2k import TNL2K
from mixformer.data.datasets.trackingnet import TRACKINGNET
from mixformer.data.datasets.vid import VID
from mixformer.data.datasets.vot_sequences import VOT2020, VOT2022
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.errors import DataError, did_you_mean, shown
from mixformer.files import path_kind

_TRAINING = (LASOT, GOT10K, TRACKINGNET, COCO, VID, TNL2K)
_BENCHMARKS = (LASOT_EXT, UAV123, OTB100, NFS, TC128, AVIST, VOT2022, VOT2020)

_SPECS = {spec.name: spec for spec in (*_TRAINING, *_BENCHMARKS)}

DATASETS: Mapping[str, DatasetSpec] = MappingProxyType(_SPECS)
"""The public data sets by name. `register_dataset` adds others."""

CUSTOM = "custom"
"""Name of your own sequences, beside the names of `DATASETS`."""
CUSTOM_LAYOUT = "NAME/img/* with NAME/groundtruth.txt, or one JSON file of sequences (docs/data.md)"


def register_dataset(spec: DatasetSpec) -> None:
    """Add a data set to `DATASETS` in this process; `benchmark` describes most test sets.

    Raises DataError if the name is taken.

    Example:
        >>> from mixformer.data import BenchmarkSplit, SequenceLayout, benchmark
        >>> files = SequenceLayout("{name}/boxes.txt", "{name}/frames")
        >>> splits = {"test": BenchmarkSplit("3 sequences", Path("toy_list.csv"), (files,))}
        >>> spec = benchmark("toy", "Toy set", "NAME/boxes.txt and NAME/frames/", splits)
        >>> register_dataset(spec)  # doctest: +SKIP
    """
    if spec.name in (*_SPECS, CUSTOM):
        raise DataError(f"there is a data set called {spec.name!r} already; choose another name")
    _SPECS[spec.name] = spec


def canonical_name(name: str) -> str:
    """Return the current name of a data set: "custom" for the old name "own", with a warning."""
    if name != "own":
        return name
    warnings.warn('the data set name "own" is now called "custom"', DeprecationWarning, stacklevel=3)
    return CUSTOM


def load_dataset(name: str, root: str | Path, options: DatasetOptions | None = None) -> LazySequences:
    """Load a data set by name. Annotations and pictures are read when they are needed.

    Args:
        name: a key of `DATASETS`, or "custom" for your own sequences and everything else that `read_any` reads.
        root: folder or archive.
        options: split and lists of sequences; None takes the first split.

    Raises DataError for an unknown name, split or option, or if the data set is not there.

    Example:
        >>> load_dataset("lasot", "no/such/folder")
        Traceback (most recent call last):
        ...
        mixformer.errors.DataError: no/such/folder is not there; for lasot looked for CLASS/CLASS-N/ with ...
    """
    options = _checked(name, options)
    name, root = canonical_name(name), Path(root)
    if name == CUSTOM:
        if options != DatasetOptions(options.split):
            raise DataError("custom data takes no option besides split; leave out sequences in its folder or JSON file")
        found = read_any(root, options.split)
        return found if isinstance(found, LazySequences) else _as_lazy(found)
    if name not in DATASETS:
        raise DataError(unknown_dataset(name))
    known = DATASETS[name]
    options = replace(options, split=options.split or next(iter(known.splits)))
    if options.split not in known.splits:
        raise DataError(f"{name} has no split {options.split!r}; it has {', '.join(known.splits)}")
    for field in fields(options):
        if field.name not in known.takes | {"split"} and getattr(options, field.name) != field.default:
            takes = ", ".join(sorted(known.takes))
            raise DataError(f"{name} does not take {field.name!r}; it takes split, {takes}")
    if not path_kind(root):
        raise DataError(f"{root} is not there; for {name} looked for {known.layout}")
    return known.read(root, options)


def _checked(name: str, options: DatasetOptions | None) -> DatasetOptions:
    if not isinstance(name, str) or not isinstance(options, DatasetOptions | None):
        raise DataError(f"a data set has a name and mixformer.data.DatasetOptions(...), not {shown((name, options))}")
    return options or DatasetOptions()


def _as_lazy(sequences: Sequence[VideoSequence]) -> LazySequences:
    return LazySequences([each.name for each in sequences], sequences.__getitem__, sequences[0].source)


def unknown_dataset(name: str) -> str:
    """Return the message for an unknown name of a data set."""
    near = did_you_mean(name, [*DATASETS, CUSTOM]) or "."
    return f"there is no data set called {name!r}{near} The names are {', '.join(DATASETS)} and {CUSTOM}"


def detect_dataset(path: str | Path, *, custom_first: bool = True) -> str | None:
    """Detect the public data set at a path by its file names.

    Args:
        path: folder or archive.
        custom_first: return None for a path that can be read as custom data (sequence folders with `img/`, or a JSON
            file). False looks only for public data sets.

    Returns:
        A key of `DATASETS`, or None for custom data, unknown data and a path that does not exist.

    Example:
        >>> Path("TNL2K/dog/imgs").mkdir(parents=True)
        >>> Path("TNL2K/dog/groundtruth.txt").touch()
        >>> detect_dataset("TNL2K")
        'tnl2k'
    """
    path = Path(path)
    if not path_kind(path):
        return None
    folders = any(path.glob("*/img")) and any(path.glob("*/groundtruth.txt"))
    custom = path.suffix.lower() == ".json" or (path / "img").is_dir() or folders
    if custom_first and custom:
        return None
    # Later data sets look for more specific files, so they come first.
    return next((name for name in reversed(tuple(DATASETS)) if DATASETS[name].detect(path)), None)


def missing_sequences(name: str, split: str, found: LazySequences) -> tuple[list[str], int]:
    """Return the sequences of a test split's published list that were not found, and the length of that list.

    `found` is a result of `load_dataset` without `ids` and `exclude`; "" is the data set's first split. A split without
    a published list gives an empty list and 0.

    Example:
        >>> only = LazySequences(["Basketball"], lambda index: None)
        >>> missing, total = missing_sequences("otb100", "test", only)
        >>> missing[0], len(missing), total
        ('Biker', 99, 100)
    """
    rows = DATASETS[name].published.get(split or next(iter(DATASETS[name].splits)))
    names, there = [row.name for row in rows()] if rows else [], set(found.names)
    return [name for name in names if name not in there], len(names)


def read_any(path: str | Path, split: str = "", *, lazy: bool = False) -> Sequence[VideoSequence]:
    """Read the sequences at a path: your own folder or JSON file, one sequence folder, or a public data set.

    Args:
        path: folder, archive or JSON file.
        split: of a public data set.
        lazy: read each sequence of your own folder when it is indexed, so that a broken one does not stop the others.
            By default a broken sequence raises DataError now.

    Raises DataError if the path holds none of these; the message lists the files of each layout.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "dog" / "img").mkdir(parents=True)
        >>> Image.new("RGB", (64, 48)).save(root / "dog" / "img" / "0001.png")
        >>> _ = (root / "dog" / "groundtruth.txt").write_text("10,20,30,15")
        >>> (sequence,) = read_any(root)
        >>> sequence.name, len(sequence), sequence.box(0)
        ('dog', 1, Box(x=10.0, y=20.0, w=30.0, h=15.0))
    """
    path = Path(path)
    if not path_kind(path):
        raise DataError(f"{path} is not there; check the path")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise DataError(f"{path} cannot be read by this user; take another, or change its permissions")
    if path.is_file() and path.suffix.lower() == ".json":
        return read_json(path)
    if (path / "groundtruth.txt").is_file() and (path / "img").is_dir():
        return [read_sequence(path)]
    if any(path.glob("*/img")) and any(path.glob("*/groundtruth.txt")):
        return lazy_sequences(path) if lazy else read_sequences(path)
    if name := detect_dataset(path, custom_first=False):
        return load_dataset(name, path, DatasetOptions(split))
    layouts = "\n".join(f"  {known.name}: {known.layout}" for known in DATASETS.values())
    raise DataError(f"{path} holds no sequences; looked for\n  your own: {CUSTOM_LAYOUT}\n{layouts}")
