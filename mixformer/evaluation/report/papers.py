"""Numbers from papers, to show beside measured ones."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mixformer.errors import DataError
from mixformer.evaluation.report.metric_labels import column_of
from mixformer.evaluation.report.tables import Column, Table

_FILE = Path(__file__).with_name("paper_results.csv")
_RENAMED = {"normalised_precision": "norm_precision"}  # metrics in the CSV files of 0.1.0
_SCALE = {"percent": 0.01, "fraction": 1.0, "fps": 1.0}


@dataclass(frozen=True)
class PaperResult:
    """One number of a paper.

    Attributes:
        tracker: the paper's name of the tracker; the first MixFormer (CvT, ImageNet-22k) is always "MixCvT".
        dataset: name of the data set, or "speed".
        metric: key as in `MetricSummary`, or "fps_gpu" and "fps_cpu".
        value: fraction 0..1, or frames per second.
        source: paper and table.
        note: difference from other numbers of the same tracker, such as the training data; or "".

    Example:
        >>> from mixformer.evaluation import paper_results
        >>> [row.value for row in paper_results() if (row.tracker, row.dataset) == ("MixFormerV2-B", "lasot")]
        [0.706, 0.808, 0.762]
    """

    tracker: str
    dataset: str
    metric: str
    value: float
    source: str
    note: str = ""


@lru_cache(maxsize=1)
def paper_results() -> tuple[PaperResult, ...]:
    """Read all numbers of `paper_results.csv`, in the order of the file.

    Raises:
        DataError: if a row of the file is broken; the message names its line.

    Example:
        >>> from mixformer.evaluation import paper_results
        >>> len(paper_results())
        682
    """
    rows = []
    with _FILE.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                value = round(float(row["value"]) * _SCALE[row["unit"]], 6)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{_FILE}, line {number}: not a published number: {row}") from error
            metric = _RENAMED.get(row["metric"], row["metric"])
            rows.append(PaperResult(row["tracker"], row["dataset"], metric, value, row["source"], row["note"]))
    return tuple(rows)


def paper_table(
    dataset: str,
    metrics: Iterable[str],
    measured: Iterable[tuple[str, dict[str, float]]],
    notes: tuple[str, ...],
) -> Table | None:
    """Make a table of measured rows above those of the papers, for the metrics of both; None if no paper has any.

    Args:
        dataset: name in any spelling: case, `-`, `_` and a split such as `_test` do not matter.
        metrics: wanted metrics.
        measured: name and numbers of each tracker.
        notes: notes on the measured numbers.
    """
    rows = [row for row in paper_results() if _same(row.dataset, dataset)]
    keys = [metric for metric in metrics if any(row.metric == metric for row in rows)]
    if not keys:
        return None
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row.tracker, row.source, row.note), {})[row.metric] = row.value
    paper = [(name, f"{source}; {note}" if note else source, found[name, source, note]) for name, source, note in found]
    mine = [(name, "measured here", values) for name, values in measured]
    paper.sort(key=lambda row: -row[2].get(keys[0], -1.0))
    columns = (Column("tracker"), *(column_of(key) for key in keys), Column("source"))
    cells = tuple((name, *(values.get(key) for key in keys), source) for name, source, values in [*mine, *paper])
    told = "Published numbers are copied from the papers, not measured here, and may follow another convention."
    return Table(f"{dataset} beside the papers", columns, cells, (*notes, told))


def _same(known: str, asked: str) -> bool:
    plain = asked.lower().replace("-", "").replace("_", "")
    return plain in {known, *(known + split for split in ("test", "val", "all", "stb", "short", "shortterm"))}
