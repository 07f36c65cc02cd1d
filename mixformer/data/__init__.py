"""Training and test data: public data sets, your own sequences, and the samples that training draws from them.

The words of this room:

- **data set**: a list of sequences under one folder or archive (the root), described by a `DatasetSpec`.
- **sequence**: the frames of one video with one box for each, as a `VideoSequence`.
- **split**: a part of a data set, such as "train" or "test"; a benchmark's split has a published list of sequences.
- **annotation**: the file with a sequence's boxes.
- **layout**: what the files of a sequence look like, as a `SequenceLayout`.
- **storage**: a folder, zip file or LMDB database that holds the files.
"""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.data.datasets.attribute_files import attributes
    from mixformer.data.datasets.benchmarks import BenchmarkSplit, benchmark
    from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec
    from mixformer.data.datasets.registry import (
        DATASETS,
        detect_dataset,
        load_dataset,
        missing_sequences,
        read_any,
        register_dataset,
    )
    from mixformer.data.datasets.sequence_files import SequenceLayout
    from mixformer.data.lists import read_list
    from mixformer.data.sequence import LazySequences, VideoSequence

__all__ = [
    "DATASETS",
    "BenchmarkSplit",
    "DatasetOptions",
    "DatasetSpec",
    "LazySequences",
    "SequenceLayout",
    "VideoSequence",
    "attributes",
    "benchmark",
    "detect_dataset",
    "load_dataset",
    "missing_sequences",
    "read_any",
    "read_list",
    "register_dataset",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DATASETS": "mixformer.data.datasets.registry",
        "BenchmarkSplit": "mixformer.data.datasets.benchmarks",
        "DatasetOptions": "mixformer.data.datasets.dataset_spec",
        "DatasetSpec": "mixformer.data.datasets.dataset_spec",
        "LazySequences": "mixformer.data.sequence",
        "SequenceLayout": "mixformer.data.datasets.sequence_files",
        "VideoSequence": "mixformer.data.sequence",
        "attributes": "mixformer.data.datasets.attribute_files",
        "benchmark": "mixformer.data.datasets.benchmarks",
        "detect_dataset": "mixformer.data.datasets.registry",
        "load_dataset": "mixformer.data.datasets.registry",
        "missing_sequences": "mixformer.data.datasets.registry",
        "read_any": "mixformer.data.datasets.registry",
        "read_list": "mixformer.data.lists",
        "register_dataset": "mixformer.data.datasets.registry",
    },
)
