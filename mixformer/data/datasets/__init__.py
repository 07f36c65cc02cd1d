"""Known data sets and a user's own, all as lists of `mixformer.data.sequence.Sequence`; see docs/data.md."""

from mixformer.data.datasets.attribute_files import attributes
from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec
from mixformer.data.datasets.registry import DATASETS, absent, known_set, load_dataset, read_any, recognize

__all__ = [
    "DATASETS",
    "DatasetOptions",
    "DatasetSpec",
    "absent",
    "attributes",
    "known_set",
    "load_dataset",
    "read_any",
    "recognize",
]
