"""The tables of a report."""

from __future__ import annotations

import numpy as np

from mixformer.evaluation.compare import Comparison, Entry
from mixformer.evaluation.report.metric_labels import column_of, label
from mixformer.evaluation.report.paper_results import published_table
from mixformer.evaluation.report.tables import Cell, Column, Table


def tables(comparison: Comparison) -> dict[str, Table]:
    """Every table that the results allow, by the name of its file.

    `overall` and `sequences` always; `attributes` if they are known; `published` if a paper has numbers on the set.
    """
    made = {"overall": overall(comparison)}
    if comparison.attributes:
        made["attributes"] = by_attribute(comparison)
    measured = [(entry.tracker, _numbers(entry)) for entry in comparison.ranked]
    papers = published_table(comparison.dataset, comparison.entries[0].summary.values, measured, comparison.notes)
    if papers is not None:
        made["published"] = papers
    return made | {"sequences": by_sequence(comparison)}


def _numbers(entry: Entry) -> dict[str, float]:
    return dict(entry.summary.values) | ({} if entry.fps is None else {"fps": entry.fps})


def overall(comparison: Comparison) -> Table:
    """A row for each tracker, best first, a column for each number of the convention, and speed if it is known."""
    keys = list(comparison.entries[0].summary.values)
    if any(entry.fps is not None for entry in comparison.entries):
        keys.append("fps")
    rows = tuple((entry.tracker, *(_numbers(entry).get(key) for key in keys)) for entry in comparison.ranked)
    columns = (Column("tracker"), *(column_of(key) for key in keys))
    title = f"{comparison.dataset}: {len(rows)} tracker{'s' if len(rows) > 1 else ''}"
    return Table(title, columns, rows, comparison.notes)


def by_attribute(comparison: Comparison) -> Table:
    """A row for each attribute, a column for each tracker, the main metric in the cells; the best of a row is bold."""
    name = label(comparison.main)
    ranked = comparison.ranked
    columns = (
        Column("attribute"),
        Column("sequences"),
        *(column_of(comparison.main, entry.tracker) for entry in ranked),
    )
    rows: list[tuple[Cell, ...]] = [
        (attribute, str(len(having)), *(entry.by_attribute[attribute] for entry in ranked))
        for attribute, having in comparison.attributes.items()
    ]
    return Table(f"{comparison.dataset}: {name} by attribute", columns, tuple(rows), comparison.notes, across=True)


def by_sequence(comparison: Comparison) -> Table:
    """A row for each sequence, hardest for the first tracker on top; a column for each tracker's main metric."""
    ranked = comparison.ranked
    metric = comparison.sequence_metric
    columns = (Column("sequence"), Column("frames"), *(column_of(metric, entry.tracker) for entry in ranked))
    lengths = {sequence.name: len(sequence) for sequence in comparison.sequences}
    rows = tuple(
        (name, str(lengths[name]), *(sequence_value(entry, name, metric) for entry in ranked))
        for name in worst(comparison, comparison.entries[0])
    )
    title = f"{comparison.dataset}: {label(metric)} by sequence"
    return Table(title, columns, rows, comparison.notes, across=True)


def sequence_value(entry: Entry, sequence: str, metric: str) -> float | None:
    """A tracker's number on one sequence; None if the convention has none for it."""
    return entry.summary.per_sequence.get(sequence, {}).get(metric)


def worst(comparison: Comparison, entry: Entry) -> list[str]:
    """Names of the sequences, those with a tracker's lowest main metric first and those without one last."""

    def rank(name: str) -> float:
        value = sequence_value(entry, name, comparison.sequence_metric)
        return np.inf if value is None or np.isnan(value) else value

    return sorted((sequence.name for sequence in comparison.sequences), key=rank)
