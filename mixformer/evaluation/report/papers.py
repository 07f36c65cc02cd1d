"""Numbers from papers, to show beside measured ones."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from mixformer.configs.ablations import DESIGNS
from mixformer.errors import DataError
from mixformer.evaluation.report.metric_labels import column_of
from mixformer.evaluation.report.tables import Column, Table

_FILE = Path(__file__).with_name("paper_results.csv")
_ABLATIONS = Path(__file__).with_name("paper_ablations.csv")
_RENAMED = {"normalised_precision": "norm_precision"}  # metrics in the CSV files of 0.1.0
_SCALE = {"percent": 0.01, "fraction": 1.0, "fps": 1.0, "million": 1.0, "giga": 1.0}
_DESIGNED = {  # names of `DesignRow.published`: data set, metric and unit
    "lasot": ("lasot", "auc", "percent"),
    "parameters": ("size", "params", "million"),
    "gmacs": ("size", "macs", "giga"),
    "fps": ("speed", "fps_gpu", "fps"),
}
_SPEEDS = ("fps_gpu", "fps_cpu")
_SIZES = ("params", "macs")


@dataclass(frozen=True)
class PaperResult:
    """One number of a paper.

    Attributes:
        tracker: the paper's name of the tracker, or the design in a row of an ablation; the first MixFormer (CvT,
            ImageNet-22k) is always "MixCvT".
        dataset: name of the data set, or "speed", or "size".
        metric: key as in `MetricSummary`; "fps_gpu" and "fps_cpu"; "params" and "macs".
        value: fraction 0..1, frames per second, millions of parameters, or billions of multiply-adds.
        source: paper and table.
        note: difference from other numbers of the same tracker, such as the training data; or "".
        row: row of the table of an ablation, from 1; 0 for whole trackers.

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
    row: int = 0

    @property
    def place(self) -> str:
        """The source with row and note, as tables show it."""
        found = f"{self.source}, row {self.row}" if self.row else self.source
        return f"{found}; {self.note}" if self.note else found


@lru_cache(maxsize=1)
def paper_results() -> tuple[PaperResult, ...]:
    """Read all numbers of whole trackers (`paper_results.csv`), in the order of the file.

    Raises:
        DataError: if a row of the file is broken; the message names its line.

    Example:
        >>> from mixformer.evaluation import paper_results
        >>> len(paper_results())
        747
    """
    return _read(_FILE)


@lru_cache(maxsize=1)
def paper_ablations() -> tuple[PaperResult, ...]:
    """Return all numbers of the papers' ablations, table by table.

    Those of designs that a recipe can train are in `mixformer/configs/ablations.py`, all others in
    `paper_ablations.csv`.

    Raises:
        DataError: if a row of the file is broken; the message names its line.

    Example:
        >>> from mixformer.evaluation import paper_ablations
        >>> for each in paper_ablations():
        ...     if each.source == "MixFormer journal table 8":
        ...         print(each.row, each.tracker, each.value)
        1 MixCvT, no update 0.681
        2 MixCvT, update at a fixed interval 0.666
        3 MixCvT, update by score (SPM) 0.692
    """
    return (*_designs(), *_read(_ABLATIONS))


def _designs() -> Iterator[PaperResult]:
    for table in DESIGNS.values():
        for number, row in enumerate(table.rows, start=1):
            for name, value in row.published.items():
                dataset, metric, unit = _DESIGNED[name]
                yield PaperResult(row.label, dataset, metric, _scaled(value, unit), table.source, "", number)


def _read(path: Path) -> tuple[PaperResult, ...]:
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                value = _scaled(float(row["value"]), row["unit"])
                place = int(row.get("row") or 0)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}, line {number}: not a published number: {row}") from error
            metric = _RENAMED.get(row["metric"], row["metric"])
            rows.append(PaperResult(row["tracker"], row["dataset"], metric, value, row["source"], row["note"], place))
    return tuple(rows)


def _scaled(value: float, unit: str) -> float:
    return round(value * _SCALE[unit], 6)


def paper_table(
    dataset: str,
    metrics: Iterable[str],
    measured: Iterable[tuple[str, dict[str, float]]],
    notes: tuple[str, ...],
) -> Table | None:
    """Make a table of measured rows above those of the papers, for the metrics of both; None if no paper has any.

    Frames per second stand beside them: those measured, and those that the same paper prints for the same tracker.

    Args:
        dataset: name in any spelling: case, `-`, `_` and a split such as `_test` do not matter.
        metrics: wanted metrics.
        measured: name and numbers of each tracker, with "fps" if they are known.
        notes: notes on the measured numbers.
    """
    rows = [row for row in paper_results() if _same(row.dataset, dataset)]
    keys = [metric for metric in metrics if any(row.metric == metric for row in rows)]
    if not keys:
        return None
    speeds: dict[tuple[str, str], dict[str, float]] = {}
    for row in paper_results():
        if row.dataset == "speed":
            speeds.setdefault((row.tracker, _work(row.source)), {})[row.metric] = row.value
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        values = found.setdefault((row.tracker, row.place), dict(speeds.get((row.tracker, _work(row.source)), {})))
        values[row.metric] = row.value
    paper = [(name, place, values) for (name, place), values in found.items()]
    paper.sort(key=lambda row: -row[2].get(keys[0], -1.0))
    return _beside(f"{dataset} beside the papers", [*keys, "fps", *_SPEEDS], measured, paper, notes)


def paper_speeds(dataset: str, metric: str) -> dict[str, tuple[float, float]]:
    """Return metric and GPU frames per second of each published tracker that has both in one paper.

    If both papers have a tracker, the later one counts.
    """
    speeds = {(row.tracker, _work(row.source)): row.value for row in paper_results() if row.metric == "fps_gpu"}
    return {
        row.tracker: (row.value, speeds[row.tracker, _work(row.source)])
        for row in paper_results()
        if row.metric == metric and _same(row.dataset, dataset) and (row.tracker, _work(row.source)) in speeds
    }


def ablation_table(
    dataset: str,
    metrics: Iterable[str],
    measured: Iterable[tuple[str, dict[str, float]]],
    notes: tuple[str, ...],
) -> Table | None:
    """Make a table of measured rows above the papers' ablations, table by table; None if no ablation has the metrics.

    The arguments are those of `paper_table`. Rows that have a speed alone are shown if a speed was measured.
    """
    mine = list(measured)
    rows = [row for row in paper_ablations() if _same(row.dataset, dataset) or row.dataset in ("speed", "size")]
    keys = [key for key in metrics if any(row.metric == key for row in rows)]
    if not keys:
        return None
    found: dict[tuple[str, int], list[PaperResult]] = {}
    for row in rows:
        found.setdefault((row.source, row.row), []).append(row)
    shown = {*keys, *(_SPEEDS if any("fps" in values for _, values in mine) else ())}
    paper = [
        (group[0].tracker, group[0].place, {row.metric: row.value for row in group})
        for group in found.values()
        if any(row.metric in shown for row in group)
    ]
    told = "Rows of different tables differ in more than one thing."
    made = _beside(
        f"{dataset} beside the papers' ablations", [*keys, *_SIZES, "fps", *_SPEEDS], mine, paper, (*notes, told)
    )
    return replace(made, columns=tuple(replace(column, best="") for column in made.columns))


def _beside(
    title: str,
    keys: list[str],
    measured: Iterable[tuple[str, dict[str, float]]],
    paper: list[tuple[str, str, dict[str, float]]],
    notes: tuple[str, ...],
) -> Table:
    """Make a table of measured and published rows, with a column for each key that any row has, and the sources."""
    rows = [*((name, "measured here", values) for name, values in measured), *paper]
    keys = [key for key in keys if any(key in values for _, _, values in rows)]
    columns = (Column("tracker"), *(column_of(key) for key in keys), Column("source"))
    cells = tuple((name, *(values.get(key) for key in keys), source) for name, source, values in rows)
    told = "Published numbers are copied from the papers, not measured here, and may follow another convention."
    return Table(title, columns, cells, (*notes, told))


def _work(source: str) -> str:
    """Return the paper of a source: "MixFormer journal" of "MixFormer journal table 10"."""
    return source.split(" table ")[0].split(" section ")[0]


def _same(known: str, asked: str) -> bool:
    known, asked = (name.lower().replace("-", "").replace("_", "") for name in (known, asked))
    return asked in {known, *(known + split for split in ("test", "val", "all", "stb", "short", "shortterm"))}
