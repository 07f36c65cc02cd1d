"""Attributes of sequences, such as fast motion, occlusion and blur."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mixformer.data import DATASETS, attributes
from mixformer.data.lists import attribute_names
from mixformer.errors import DataError, counted, first_few, shown
from mixformer.files import read_csv_file

Attributes = dict[str, frozenset[str]]
"""Sequences by attribute."""


def published_attributes(dataset: str, split: str, root: Path, sequences: Iterable[str]) -> Attributes:
    """Read the attributes of a public data set, by their long names; {} without any. A broken file raises DataError."""
    published = DATASETS[dataset].published if dataset in DATASETS else {}
    if (split or next(iter(published), "")) not in published:
        return {}
    found, long = attributes(dataset, split, root), attribute_names(dataset)
    wanted = [name for name in sequences if name in found]
    shorts = dict.fromkeys([*long, *(short for name in wanted for short in found[name])])
    groups = {long.get(short, short): frozenset(name for name in wanted if short in found[name]) for short in shorts}
    return {name: having for name, having in groups.items() if having}


def read_attributes(path: Path, sequences: Iterable[str]) -> Attributes:
    """Read the attributes of the wanted sequences from a CSV file of your own, without those that none of them has.

    The first line is `sequence,ATTRIBUTE,...`; then one line per sequence, with 0 or 1 for each attribute. Raises
    DataError if the file is missing or lacks a sequence, or a line is broken.
    """
    wanted = list(sequences)
    lines = read_csv_file(path)
    if not lines or len(lines[0]) < 2:
        raise DataError(f"{path}: the first line must be sequence,ATTRIBUTE,ATTRIBUTE...")
    names = [name.strip() for name in lines[0][1:]]
    rows = {line[0].strip(): _flags(path, number, line, names) for number, line in enumerate(lines[1:], start=2)}
    lacking = [name for name in wanted if name not in rows]
    if lacking:
        raise DataError(
            f"{path} has no line for {counted(len(lacking), 'sequence')}: {', '.join(first_few(lacking))}; add them"
        )
    groups = {name: frozenset(each for each in wanted if rows[each][i]) for i, name in enumerate(names)}
    return {name: having for name, having in groups.items() if having}


def _flags(path: Path, number: int, line: list[str], names: list[str]) -> list[bool]:
    cells = [cell.strip() for cell in line[1:]]
    if len(cells) != len(names) or set(cells) - {"0", "1"}:
        raise DataError(
            f"{path}, line {number}: {shown(','.join(line))} does not hold 0 or 1 for each of {', '.join(names)}"
        )
    return [cell == "1" for cell in cells]
