"""Measure trackers: run them on data sets, and compute the metrics of their boxes."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.evaluation.api import compare, evaluate
    from mixformer.evaluation.comparison import ComparedTracker, Comparison
    from mixformer.evaluation.evaluation_result import EvaluationResult
    from mixformer.evaluation.metrics import (
        CONVENTIONS,
        Convention,
        MetricSummary,
        SequenceResult,
        compute_metrics,
        convention_of,
    )
    from mixformer.evaluation.report.build_tables import make_tables
    from mixformer.evaluation.report.papers import PaperResult, paper_results
    from mixformer.evaluation.report.plots import draw_curves, draw_plots
    from mixformer.evaluation.report.tables import Table
    from mixformer.evaluation.report.writing import write_report
    from mixformer.evaluation.result_files import RawResult, read_result, write_result
    from mixformer.evaluation.runs import EvaluationRun, run_evaluation
    from mixformer.evaluation.sequence_runner import TrackerLike, run_tracker, track_and_measure
    from mixformer.evaluation.submission import expected_sequences, write_submission

_HOMES = {
    "CONVENTIONS": "metrics",
    "ComparedTracker": "comparison",
    "Comparison": "comparison",
    "Convention": "metrics",
    "EvaluationResult": "evaluation_result",
    "EvaluationRun": "runs",
    "MetricSummary": "metrics",
    "PaperResult": "report.papers",
    "RawResult": "result_files",
    "SequenceResult": "metrics",
    "Table": "report.tables",
    "TrackerLike": "sequence_runner",
    "compare": "api",
    "compute_metrics": "metrics",
    "convention_of": "metrics",
    "draw_curves": "report.plots",
    "draw_plots": "report.plots",
    "evaluate": "api",
    "expected_sequences": "submission",
    "make_tables": "report.build_tables",
    "paper_results": "report.papers",
    "read_result": "result_files",
    "run_evaluation": "runs",
    "run_tracker": "sequence_runner",
    "track_and_measure": "sequence_runner",
    "write_report": "report.writing",
    "write_result": "result_files",
    "write_submission": "submission",
}

__all__ = [
    "CONVENTIONS",
    "ComparedTracker",
    "Comparison",
    "Convention",
    "EvaluationResult",
    "EvaluationRun",
    "MetricSummary",
    "PaperResult",
    "RawResult",
    "SequenceResult",
    "Table",
    "TrackerLike",
    "compare",
    "compute_metrics",
    "convention_of",
    "draw_curves",
    "draw_plots",
    "evaluate",
    "expected_sequences",
    "make_tables",
    "paper_results",
    "read_result",
    "run_evaluation",
    "run_tracker",
    "track_and_measure",
    "write_report",
    "write_result",
    "write_submission",
]

__getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _HOMES.items()})
