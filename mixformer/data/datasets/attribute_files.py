"""Attributes of a benchmark's sequences (what makes them difficult), from packaged lists or the data set's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mixformer.data.datasets.registry import DATASETS
from mixformer.data.datasets.sequence_files import parse_numbers
from mixformer.data.datasets.vot_sequences import TAGS
from mixformer.data.lists import attribute_names
from mixformer.data.storage import Storage, describe_key, open_storage, read_text
from mixformer.errors import DataError, counted

_FILES = ("att/{}.txt", "att/{}_attribute.txt", "anno/UAV123/att/{}.txt")
"""Files with a line of 0 and 1 for each sequence, in the order of `attribute_names`."""


def attributes(name: str, split: str = "", root: Path | None = None) -> Mapping[str, tuple[str, ...]]:
    """Attributes of the sequences of a test split: what makes each of them difficult.

    The data set's own files take precedence over the packaged list: `ROOT/att/NAME.txt` (LaSOT),
    `ROOT/att/NAME_attribute.txt` (TNL2K) or `ROOT/anno/UAV123/att/NAME.txt` with a line of 0 and 1, and
    `ROOT/NAME/TAG.tag` (VOT) with a number for each frame.

    Args:
        name: a key of `DATASETS`.
        split: a split with a published list; "" takes the first of these.
        root: folder or archive of the data set; None reads only the packaged list.

    Returns:
        Short attribute names by sequence; sequences without attributes are left out.

    Raises DataError for an unknown data set or split, or a file that does not fit the data set's attributes.

    Example:
        >>> from mixformer.data import attributes
        >>> attributes("otb100")["Basketball"]
        ('IV', 'OCC', 'DEF', 'OPR', 'BC')
    """
    if name not in DATASETS:
        raise DataError(f"there is no data set called {name!r}; known are {', '.join(DATASETS)}")
    lists = DATASETS[name].published
    split = split or next(iter(lists), "")
    if split not in lists:
        such = ", ".join(lists) or "none"
        raise DataError(f"{f'{name} {split}'.strip()} has no published list of sequences; splits with a list: {such}")
    found = {row.name: row.attributes for row in lists[split]() if row.attributes}
    if root is not None:
        found |= _own(name, [row.name for row in lists[split]()], root)
    return found


def _own(name: str, sequences: list[str], root: Path) -> dict[str, tuple[str, ...]]:
    """Read the data set's own files under a root; sequences without a file are left out."""
    storage, shorts = open_storage(root), tuple(attribute_names(name))
    found: dict[str, tuple[str, ...]] = {}
    for sequence in sequences:
        keys = [pattern.format(sequence) for pattern in _FILES]
        line = next((key for key in keys if read_text(storage, key) is not None), None)
        if line and shorts:
            found[sequence] = _from_line(storage, line, shorts)
        elif tags := tuple(tag for tag in TAGS if "1" in (read_text(storage, f"{sequence}/{tag}.tag") or "").split()):
            found[sequence] = tags
    return found


def _from_line(storage: Storage, key: str, shorts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the attributes whose number in the file is above 0; one more number in front is ignored."""
    try:
        marks = parse_numbers(read_text(storage, key) or "").tolist()
    except ValueError as error:
        raise DataError(f"{describe_key(storage, key)}: {error}") from error
    if len(marks) not in (len(shorts), len(shorts) + 1):
        place, known = describe_key(storage, key), ", ".join(shorts)
        raise DataError(f"{place} holds {counted(len(marks), 'number')}, not the {len(shorts)} of {known}")
    return tuple(short for short, mark in zip(shorts, marks[-len(shorts) :], strict=True) if mark > 0)
