"""Training and test data: public data sets, your own folders, and the samples that training draws from them."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.data.datasets.attribute_files import attributes
    from mixformer.data.datasets.dataset_spec import DatasetOptions, DatasetSpec
    from mixformer.data.datasets.registry import DATASETS, load_dataset, read_any
    from mixformer.data.lists import read_list
    from mixformer.data.sequence import VideoSequence

__all__ = [
    "DATASETS",
    "DatasetOptions",
    "DatasetSpec",
    "VideoSequence",
    "attributes",
    "load_dataset",
    "read_any",
    "read_list",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DATASETS": "mixformer.data.datasets.registry",
        "DatasetOptions": "mixformer.data.datasets.dataset_spec",
        "DatasetSpec": "mixformer.data.datasets.dataset_spec",
        "VideoSequence": "mixformer.data.sequence",
        "attributes": "mixformer.data.datasets.attribute_files",
        "load_dataset": "mixformer.data.datasets.registry",
        "read_any": "mixformer.data.datasets.registry",
        "read_list": "mixformer.data.lists",
    },
)
