"""The sequences to measure on: a public data set by name, or your own folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixformer.data import DATASETS, DatasetOptions, detect_dataset, load_dataset, missing_sequences, read_any
from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.errors import ConfigError, shown
from mixformer.files.partial_names import real_path


@dataclass(frozen=True)
class GroundTruth:
    """Sequences with their boxes, and their origin."""

    dataset: str  # name of the data set
    split: str  # its split; "" for your own sequences
    sequences: Sequence[VideoSequence]  # may be read lazily
    root: Path | None = None  # folder of the data set, or None for sequences that were given as a list

    @property
    def published(self) -> int:
        """Number of sequences in the published list of the split; 0 without such a list."""
        rows = DATASETS[self.dataset].published.get(self.split) if self.dataset in DATASETS else None
        return len(rows()) if rows else 0

    @property
    def absent(self) -> int:
        """Number of missing sequences of the published list."""
        if self.dataset not in DATASETS or not isinstance(self.sequences, LazySequences):
            return 0
        return len(missing_sequences(self.dataset, self.split, self.sequences)[0])

    def first_pixel(self) -> float:
        """Find the number of the left upper pixel in the data set's files, 0 or 1; reads one box in both ways."""
        known = DATASETS.get(self.dataset)
        if known is None or self.root is None or "keep_one_based" not in known.takes:
            return 0.0
        written = known.read(self.root, DatasetOptions(self.split, keep_one_based=True))[0]
        return float(np.nanmax((written.boxes - self.sequences[0].boxes)[:, :2]).round())


def open_ground_truth(
    dataset: str | Path | Sequence[VideoSequence],
    root: str | Path | None = None,
    split: str = "",
    *,
    keep_one_based: bool = False,
) -> GroundTruth:
    """Open the sequences to measure on; the arguments are those of `evaluate`.

    Raises ConfigError if the folder of the data set is not given, and DataError if the data set is unknown or missing.
    """
    if not isinstance(dataset, str | Path):
        return GroundTruth(_source_of(dataset) or "sequences", split, dataset)
    name = "" if dataset in ("own", "custom") else str(dataset)
    if root is None:
        if not name or name in DATASETS:
            raise ConfigError("the folder of the data set is not given; give it as root=... or --root DIR")
        name, root = "", dataset
    root = Path(root)
    name = name or detect_dataset(root) or ""
    if not name:
        return GroundTruth(real_path(root).name, split, read_any(root, split, lazy=True), root)
    splits = DATASETS[name].splits if name in DATASETS else {}
    split = split or next((part for part in ("test", "val", *splits) if part in splits), "")
    return GroundTruth(
        name, split, load_dataset(name, root, DatasetOptions(split, keep_one_based=keep_one_based)), root
    )


def _source_of(sequences: Sequence[VideoSequence]) -> str:
    """Return the name of the data set that sequences are of. Raises ConfigError if they are something else."""
    if isinstance(sequences, LazySequences):
        return sequences.source
    if not isinstance(sequences, list | tuple) or not all(isinstance(each, VideoSequence) for each in sequences):
        raise ConfigError(f"a data set is its name, a folder or a list of VideoSequence, not {shown(sequences)}")
    return sequences[0].source if sequences else ""
