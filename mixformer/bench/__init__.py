"""Measure how fast tracking runs on this machine, and how much of its peak speed that is."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.bench.cases import BenchmarkCase as BenchmarkCase, parse_cases as parse_cases
    from mixformer.bench.schema import BenchmarkOptions as BenchmarkOptions, BenchmarkReport as BenchmarkReport
    from mixformer.bench.tracking_benchmark import measure_tracking as measure_tracking
else:
    __getattr__, __dir__, __all__ = lazy_names()
