"""The sequence lists of the benchmarks, one CSV file each, and the function that reads them.

Columns, all but `name` optional: `folder` (of the pictures, if it is not called as the sequence), `first` and `last`
(numbers of its frames), `skip` (frames left out at its beginning), `truth` (its file of boxes), `label` (what the
target is), `attributes` (short names, separated by spaces). `attributes.csv` gives the long names, set by set.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Row:
    """One sequence of a list.

    Attributes:
        name: of the sequence.
        folder: name of the folder of its pictures; several sequences may share one.
        first: number of its first frame; 0 if the list does not say.
        last: number of its last frame, itself included; 0 if the list does not say.
        skip: frames left out at its beginning, with their boxes.
        truth: name of its file of boxes; "" if the list does not say.
        label: what the target is; "" if the list does not say.
        attributes: short names of what makes it difficult.
    """

    name: str
    folder: str
    first: int = 0
    last: int = 0
    skip: int = 0
    truth: str = ""
    label: str = ""
    attributes: tuple[str, ...] = ()


def read_list(name: str) -> tuple[Row, ...]:
    """The rows of a packaged list such as "otb100", in the order of the benchmark's own list."""
    return tuple(_row(cells) for cells in _cells(name))


def attribute_names(name: str) -> dict[str, str]:
    """Long names of a set's attributes, by their short ones, in the order of the set's own files; empty for none."""
    return {cells["short"]: cells["long"] for cells in _cells("attributes") if cells["set"] == name}


def _cells(name: str) -> list[dict[str, str]]:
    with (files(__name__) / f"{name}.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _row(cells: dict[str, str]) -> Row:
    first, last, skip = (int(cells.get(key) or 0) for key in ("first", "last", "skip"))
    folder, attributes = cells.get("folder") or cells["name"], tuple(cells.get("attributes", "").split())
    return Row(cells["name"], folder, first, last, skip, cells.get("truth", ""), cells.get("label", ""), attributes)
