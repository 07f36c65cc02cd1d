"""The sequence lists of the benchmarks, one CSV file each, and the function that reads them.

Columns besides `name` are optional: `folder` (folder of the pictures, if it differs from the name), `first` and `last`
(numbers of the first and last frame), `skip` (frames left out at the start), `annotation` (file of boxes), `label`
(class of the target), `attributes` (short names, separated by spaces). `attributes.csv` has the long names of the
attributes of each data set.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from mixformer.errors import malformed_as_data_error


@dataclass(frozen=True)
class ListedSequence:
    """One sequence of a published list."""

    name: str  # name of the sequence
    folder: str  # name of the folder of its pictures; several sequences may share one
    first: int = 0  # number of its first frame; 0 if unknown
    last: int = 0  # number of its last frame, inclusive; 0 if unknown
    skip: int = 0  # frames left out at its start, with their boxes
    annotation: str = ""  # name of its file of boxes; "" if unknown
    label: str = ""  # class of the target; "" if unknown
    attributes: tuple[str, ...] = ()  # short names of its attributes


def read_list(name: str | Path) -> tuple[ListedSequence, ...]:
    """Read the sequences of a published list, in the order of the benchmark's own list.

    Args:
        name: name of a packaged list such as "otb100", or the path of a CSV file with the same columns.

    Raises DataError if the file is missing or has another form.

    Example:
        >>> first = read_list("otb100")[0]
        >>> first.name, first.last, first.label
        ('Basketball', 725, 'person')
    """
    with malformed_as_data_error(f"{name} is not a CSV file of sequences with a column `name`"):
        return tuple(_listed(cells) for cells in _cells(name))


def attribute_names(name: str) -> dict[str, str]:
    """Read the long names of a data set's attributes by short name, in the order of the data set's own files."""
    return {cells["short"]: cells["long"] for cells in _cells("attributes") if cells["set"] == name}


def _cells(name: str | Path) -> list[dict[str, str]]:
    path = name if isinstance(name, Path) else files(__name__) / f"{name}.csv"
    with path.open(encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def _listed(cells: dict[str, str]) -> ListedSequence:
    first, last, skip = (int(cells.get(key) or 0) for key in ("first", "last", "skip"))
    folder, attributes = cells.get("folder") or cells["name"], tuple((cells.get("attributes") or "").split())
    annotation, label = cells.get("annotation") or "", cells.get("label") or ""
    return ListedSequence(cells["name"], folder, first, last, skip, annotation, label, attributes)
