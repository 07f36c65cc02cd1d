"""Measure trackers: run them on data sets, and compute the metrics of their boxes."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.evaluation.api import compare as compare, evaluate as evaluate
    from mixformer.evaluation.comparison import ComparedTracker as ComparedTracker, Comparison as Comparison
    from mixformer.evaluation.evaluation_result import EvaluationResult as EvaluationResult
    from mixformer.evaluation.intervals import mean_interval as mean_interval
    from mixformer.evaluation.metrics import (
        CONVENTIONS as CONVENTIONS,
        Convention as Convention,
        MetricSummary as MetricSummary,
        ScoreBins as ScoreBins,
        SequenceResult as SequenceResult,
        bin_scores as bin_scores,
        compute_metrics as compute_metrics,
        convention_of as convention_of,
    )
    from mixformer.evaluation.report.build_tables import make_tables as make_tables
    from mixformer.evaluation.report.papers import (
        PaperResult as PaperResult,
        paper_ablations as paper_ablations,
        paper_results as paper_results,
    )
    from mixformer.evaluation.report.plots import draw_curves as draw_curves, draw_plots as draw_plots
    from mixformer.evaluation.report.reliability import draw_reliability as draw_reliability
    from mixformer.evaluation.report.tables import Table as Table
    from mixformer.evaluation.report.writing import write_report as write_report
    from mixformer.evaluation.result_files import (
        RawResult as RawResult,
        read_result as read_result,
        write_result as write_result,
    )
    from mixformer.evaluation.runs import EvaluationRun as EvaluationRun, run_evaluation as run_evaluation
    from mixformer.evaluation.sequence_runner import (
        TrackerLike as TrackerLike,
        run_tracker as run_tracker,
        track_and_measure as track_and_measure,
    )
    from mixformer.evaluation.submission import (
        expected_sequences as expected_sequences,
        write_submission as write_submission,
    )
else:
    __getattr__, __dir__, __all__ = lazy_names()
