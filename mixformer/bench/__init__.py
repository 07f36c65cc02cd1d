"""Measure how fast tracking and training run on this machine, next to what its processor can do."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.bench.cases import BenchmarkCase, parse_cases
    from mixformer.bench.schema import BenchmarkOptions, BenchmarkReport
    from mixformer.bench.tracking_benchmark import measure_tracking
    from mixformer.bench.training_benchmark import measure_training

__all__ = [
    "BenchmarkCase", "BenchmarkOptions", "BenchmarkReport", "measure_tracking", "measure_training", "parse_cases",
]  # fmt: skip

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BenchmarkCase": "mixformer.bench.cases",
        "BenchmarkOptions": "mixformer.bench.schema",
        "BenchmarkReport": "mixformer.bench.schema",
        "measure_tracking": "mixformer.bench.tracking_benchmark",
        "measure_training": "mixformer.bench.training_benchmark",
        "parse_cases": "mixformer.bench.cases",
    },
)
