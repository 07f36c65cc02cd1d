"""The tables of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mixformer.errors import counted
from mixformer.evaluation.comparison import ComparedTracker, Comparison
from mixformer.evaluation.metrics import ABSENCE_CONVENTIONS, CONVENTIONS
from mixformer.evaluation.report.interval_notes import interval_notes
from mixformer.evaluation.report.metric_labels import column_of, label
from mixformer.evaluation.report.papers import ablation_table, paper_table
from mixformer.evaluation.report.tables import Cell, Column, Table


def make_tables(comparison: Comparison) -> dict[str, Table]:
    """Make all tables of a comparison, by the name of their file.

    These are `overall` and `sequences`; `attributes` if they are known; `paper_results` and `paper_ablations` if a
    paper has numbers on the data set; `longterm` and `presence`, also by sequence, if the target is absent in some
    frames.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics
        >>> from mixformer.evaluation import make_tables
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> found = Comparison("cars", (ComparedTracker("ours", summary, {}),), (), total=1, policy="zero")
        >>> make_tables(found)["overall"].texts()[0][:2]
        [('ours', False), ('95.2', False)]
    """
    made = {"overall": overall(comparison)} | besides(comparison)
    if comparison.attributes:
        made["attributes"] = by_attribute(comparison)
    measured = [(entry.tracker, _numbers(entry)) for entry in comparison.ranked]
    for name, make in (("paper_results", paper_table), ("paper_ablations", ablation_table)):
        papers = make(
            comparison.dataset, comparison.entries[0].summary, measured, (*comparison.notes, *_partial(comparison))
        )
        if papers is not None:
            made[name] = papers
    return made | {"sequences": by_sequence(comparison)} | besides_by_sequence(comparison)


def _partial(comparison: Comparison) -> Iterator[str]:
    """Warn that numbers on a part of a data set are not those of the papers, which measured all of it."""
    whole = comparison.total + comparison.absent
    if len(comparison.sequences) < whole:
        yield (
            f"The papers measured all {whole} sequences: do not compare numbers on "
            f"{len(comparison.sequences)} of them with theirs."
        )


def _numbers(entry: ComparedTracker) -> dict[str, float]:
    bins = entry.score_bins
    known = {} if bins is None else {"calibration_error": bins.error}
    return dict(entry.summary) | known | ({} if entry.fps is None else {"fps": entry.fps})


def overall(comparison: Comparison) -> Table:
    """Make a row for each tracker, best first, and a column for each number, then calibration error and speed."""
    keys = list(comparison.entries[0].summary)
    keys += [key for key in ("calibration_error", "fps") if any(key in _numbers(each) for each in comparison.entries)]
    rows = tuple((entry.tracker, *(_numbers(entry).get(key) for key in keys)) for entry in comparison.ranked)
    columns = (Column("tracker"), *(column_of(key) for key in keys))
    notes = (*comparison.notes, *interval_notes(comparison, label(comparison.main)))
    return Table(f"{comparison.dataset}: {counted(len(rows), 'tracker')}", columns, rows, notes)


def besides(comparison: Comparison) -> dict[str, Table]:
    """Make a table for each convention for absent targets, with a row for each tracker."""
    made = {}
    for name, metrics, note in _conventions(comparison):
        rows = tuple((entry.tracker, *_cells(entry.besides.get(name), metrics)) for entry in comparison.ranked)
        columns = (Column("tracker"), *map(column_of, metrics))
        made[name] = Table(f"{comparison.dataset}: {CONVENTIONS[name].title}", columns, rows, (note,))
    return made


def besides_by_sequence(comparison: Comparison) -> dict[str, Table]:
    """Make a table for each convention for absent targets, with a row for each sequence and tracker."""
    made = {}
    for name, _, note in _conventions(comparison):
        found = {
            entry.tracker: entry.besides[name].per_sequence for entry in comparison.ranked if name in entry.besides
        }
        names = [sequence.name for sequence in comparison.sequences]
        metrics = list(next(iter(found.values()))[names[0]])
        rows = tuple(
            (sequence, tracker, *_cells(numbers[sequence], metrics))
            for sequence in names
            for tracker, numbers in found.items()
        )
        columns = (Column("sequence"), Column("tracker"), *(replace(column_of(key), best="") for key in metrics))
        title = f"{comparison.dataset}: {CONVENTIONS[name].title} by sequence"
        made[f"{name}_sequences"] = Table(title, columns, rows, (note,))
    return made


def _cells(numbers: Mapping[str, float] | None, metrics: list[str]) -> list[Cell]:
    return [numbers[metric] if numbers else None for metric in metrics]


def _conventions(comparison: Comparison) -> Iterator[tuple[str, list[str], str]]:
    """Yield name, metrics and note of each convention for absent targets that a tracker was measured under."""
    for name in ABSENCE_CONVENTIONS:
        summary = next((entry.besides[name] for entry in comparison.entries if name in entry.besides), None)
        if summary is not None:
            yield name, list(summary), f"Convention {name}: {summary.note}"


def by_attribute(comparison: Comparison) -> Table:
    """Make a row for each attribute and a column for each tracker's main metric; the best of a row is bold."""
    name = label(comparison.main)
    shown = comparison.mine_first
    columns = (
        Column("attribute"),
        Column("sequences"),
        *(column_of(comparison.main, entry.tracker) for entry in shown),
    )
    rows: list[tuple[Cell, ...]] = [
        (attribute, str(len(having)), *(entry.by_attribute[attribute] for entry in shown))
        for attribute, having in comparison.attributes.items()
    ]
    return Table(f"{comparison.dataset}: {name} by attribute", columns, tuple(rows), comparison.notes, across=True)


def by_sequence(comparison: Comparison) -> Table:
    """Make a row for each sequence, the first tracker's worst on top, and a column for each tracker's metric."""
    shown = comparison.mine_first
    metric = comparison.sequence_metric
    columns = (Column("sequence"), Column("frames"), *(column_of(metric, entry.tracker) for entry in shown))
    lengths = {sequence.name: len(sequence) for sequence in comparison.sequences}
    rows = tuple(
        (name, str(lengths[name]), *(entry.value(name, metric) for entry in shown)) for name in comparison.hardest
    )
    title = f"{comparison.dataset}: {label(metric)} by sequence"
    return Table(title, columns, rows, comparison.notes, across=True)
