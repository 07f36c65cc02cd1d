"""Run trackers on data sets and measure the boxes."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.evaluation.compare import compare
    from mixformer.evaluation.metrics import CONVENTIONS
    from mixformer.evaluation.metrics.metric_types import SequenceResult, Summary
    from mixformer.evaluation.result_folders import find_results

__all__ = ["CONVENTIONS", "SequenceResult", "Summary", "compare", "find_results"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CONVENTIONS": "mixformer.evaluation.metrics",
        "SequenceResult": "mixformer.evaluation.metrics.metric_types",
        "Summary": "mixformer.evaluation.metrics.metric_types",
        "compare": "mixformer.evaluation.compare",
        "find_results": "mixformer.evaluation.result_folders",
    },
)
