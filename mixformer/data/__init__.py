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
    from mixformer.data.datasets.attribute_files import attributes as attributes
    from mixformer.data.datasets.benchmarks import BenchmarkSplit as BenchmarkSplit, benchmark as benchmark
    from mixformer.data.datasets.dataset_spec import DatasetOptions as DatasetOptions, DatasetSpec as DatasetSpec
    from mixformer.data.datasets.registry import (
        DATASETS as DATASETS,
        detect_dataset as detect_dataset,
        load_dataset as load_dataset,
        missing_sequences as missing_sequences,
        read_any as read_any,
        register_dataset as register_dataset,
    )
    from mixformer.data.datasets.sequence_files import SequenceLayout as SequenceLayout
    from mixformer.data.lists import read_list as read_list
    from mixformer.data.sequence import LazySequences as LazySequences, VideoSequence as VideoSequence
else:
    __getattr__, __dir__, __all__ = lazy_names()
