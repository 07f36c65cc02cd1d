"""Known data sets and a user's own, all as lists of `mixformer.data.sequence.Sequence`; see docs/data.md."""

from mixformer.data.datasets.attribute_files import attributes
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec
from mixformer.data.datasets.registry import (
    DATASETS,
    detect_dataset,
    load_dataset,
    missing_sequences,
    read_any,
)

__all__ = [
    "DATASETS",
    "DatasetOptions",
    "DatasetSpec",
    "attributes",
    "detect_dataset",
    "load_dataset",
    "missing_sequences",
    "read_any",
]
