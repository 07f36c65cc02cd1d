"""Read targets of a video from files: CSV, JSON or plain text, one target a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any

from mixformer.configs.argument_checks import checked
from mixformer.errors import BoxError, ConfigError, StateError, shown
from mixformer.files import LARGEST_SETTINGS, parse_csv, parse_json, read_text_file
from mixformer.imaging.boxes import parse_box
from mixformer.types import Box

MOST_TARGETS = 10_000
"""Targets of a file or a list; each takes some MB while it is tracked."""
_COLUMNS = ("frame", "id", "x", "y", "w", "h", "stop")
_LONG_NAMES = {"width": "w", "height": "h"}
_HOW = "a line is x,y,w,h or frame,id,x,y,w,h or frame,id,x,y,w,h,stop, or the first line names its columns"


@dataclass(frozen=True)
class Target:
    """One target of a video.

    Attributes:
        id: number of the target, 0 or above.
        box: xywh in pixels, 0-based, in frame `start`.
        start: number of the frame that the box belongs to.
        stop: number after its last frame; None tracks it to the end.
        where: file and line of the target, for messages.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.video import Target
        >>> Target(3, Box(260, 29, 41, 142), start=25, stop=40).id
        3
    """

    id: int
    box: Box
    start: int = 0
    stop: int | None = None
    where: str = ""


@checked
def read_targets(path: str | Path, start: int = 0) -> list[Target]:
    """Read targets from a file.

    In CSV or text, a line is `x,y,w,h`, `frame,id,x,y,w,h` or `frame,id,x,y,w,h,stop`. Or the first line names the
    columns, in any order; all but x, y, w, h may be missing or empty. Commas, semicolons, tabs or spaces separate the
    fields; empty lines and lines that begin with # are skipped.

    JSON is a list, or one value a line, of `[x,y,w,h]` or `{"box": [x,y,w,h], "id": .., "frame": .., "stop": ..}`.
    Targets without an id are numbered from 1.

    Args:
        path: the file.
        start: frame of targets without a frame.

    Raises:
        BoxError: if the file cannot be read, or a line is no target; the message names file and line.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.video import read_targets
        >>> _ = Path("targets.csv").write_text("frame,id,x,y,w,h\\n0,1,260,29,41,142\\n25,3,120,60,50,120\\n")
        >>> [(target.id, target.start) for target in read_targets("targets.csv")]
        [(1, 0), (3, 25)]
    """
    found: list[tuple[Target, bool]] = []
    for where, row in target_rows(Path(path)):
        if len(found) == MOST_TARGETS:
            raise BoxError(f"{where}: {MOST_TARGETS} targets are before this one already; track fewer at a time")
        found.append((_target(row, where, start), row.get("id") in (None, "")))
    if not found:
        raise BoxError(f"{path} holds no targets; {_HOW}")
    return _numbered(found)


def target_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield file and line of each target in a file, and its fields by name; `box` holds the four numbers of the box.

    Raises BoxError if the file cannot be read, or a line has the wrong number of fields.
    """
    text = read_text_file(path, BoxError, LARGEST_SETTINGS)
    return _json_rows(path, text) if text.lstrip()[:1] in ("[", "{") else _text_rows(path, text)


def as_targets(values: str | Path | Iterable[Target | Iterable[float] | float], start: int = 0) -> list[Target]:
    """Make targets of a file, or of boxes and `Target` values.

    Args:
        values: a path for `read_targets`, one box, or a list of boxes and `Target` values. A box is x, y, width, height
            in pixels.
        start: frame that boxes belong to. Boxes get the lowest free numbers from 1 on.

    Raises:
        BoxError: if there are none or far too many, a box is invalid, or two targets have the same number.

    Example:
        >>> from mixformer.types import Box
        >>> from mixformer.video.targets import Target, as_targets
        >>> [target.id for target in as_targets([(0, 0, 5, 5), Target(1, Box(9, 9, 5, 5))])]
        [2, 1]
    """
    if isinstance(values, str | Path):
        return read_targets(values, start)
    if not isinstance(values, Iterable):
        raise BoxError(f"targets are boxes, or the path of a file, not {values!r:.60}; {_HOW}")
    given = bounded(values)
    if given and all(isinstance(value, Real) for value in given):
        given = [given]
    found = [(v, False) if isinstance(v, Target) else (Target(0, parse_box(v), start), True) for v in given]
    if not found:
        raise BoxError("there are no targets; give one box or more")
    return _numbered(found)


def bounded(values: Iterable[Any]) -> list[Any]:
    """List the targets of a caller. Raises BoxError if there are too many, since an iterable may have no end."""
    given = list(islice(values, MOST_TARGETS + 1))
    if len(given) > MOST_TARGETS:
        raise BoxError(f"there are more than {MOST_TARGETS} targets, or they have no end; track fewer at a time")
    return given


def _numbered(found: list[tuple[Target, bool]]) -> list[Target]:
    """Give targets without an id the lowest free ids."""
    used: dict[int, str] = {}
    for target, nameless in found:
        if not nameless:
            if target.id in used:
                place, other = target.where or "targets", used[target.id] or "another value"
                raise BoxError(f"{place}: target {target.id} is already in {other}; give each target one line")
            used[target.id] = target.where
    free = iter(number for number in range(1, len(found) + len(used) + 1) if number not in used)
    return [replace(target, id=next(free)) if nameless else target for target, nameless in found]


def _text_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place of each line of text, and its fields by name."""
    names: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        sign = next((sign for sign in ";\t," if sign in line), None)
        where = f"{path}, line {number}"
        parts = parse_csv(line, where, BoxError, sign)[0] if sign else line.split()
        fields = [field.strip() for field in parts]
        words = tuple(_LONG_NAMES.get(field.lower(), field.lower()) for field in fields)
        complete = {"x", "y", "w", "h"} <= {*words}
        if not names and (complete or all(word[:1].isalpha() for word in words)):
            names = words
            if not complete:
                raise BoxError(
                    f"{where}: it names the columns {', '.join(names):.80}, and x, y, w, h are needed; {_HOW}"
                )
            if len(set(names)) != len(names):
                raise BoxError(f"{where}: two columns have the same name; give each its own")
            continue
        columns = names or {4: _COLUMNS[2:6], 6: _COLUMNS[:6], 7: _COLUMNS}.get(len(fields), ())
        if len(columns) != len(fields):
            open_quote = "; a text in quotes ends in its own line" if line.count('"') % 2 else ""
            raise BoxError(f"{where}: {len(fields)} values do not make a target{open_quote}; {_HOW}")
        row = dict(zip(columns, fields, strict=True))
        if sign in (";", "\t"):  # with which some languages write 1,5 for 1.5
            row |= {name: row[name].replace(",", ".") for name in _COLUMNS if name in row}
        yield where, {**row, "box": [row[name] for name in "xywh"]}


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place of each value of a JSON list or of lines of JSON, and its fields by name."""
    if path.suffix.lower() == ".jsonl" or text.lstrip().startswith("{"):
        lines = [(f"line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        values = [(place, parse_json(line, f"{path}, {place}", BoxError)) for place, line in lines]
    else:
        values = [(f"entry {number}", value) for number, value in enumerate(parse_json(text, path, BoxError), 1)]
    for place, value in values:
        row = {"box": value} if isinstance(value, list) else value
        if not isinstance(row, dict) or "box" not in row:
            raise BoxError(f'{path}, {place}: a target is [x, y, w, h] or {{"box": [x, y, w, h]}}, not {value!r}')
        yield f"{path}, {place}", row


def _target(row: Mapping[str, Any], where: str, start: int) -> Target:
    """Make a target of one row."""
    if row["box"] is None or row["box"] == [""] * 4:
        raise BoxError(f"{where}: a box is four numbers; a line without one is for mixformer track and annotate")
    with in_line(where):
        box = parse_box(row["box"])
        begin, number = (whole(row.get(name), name, other) for name, other in (("frame", start), ("id", 0)))
        stop = None if row.get("stop") in (None, "") else whole(row["stop"], "stop", 0)
    if stop is not None and stop <= begin:
        raise BoxError(f"{where}: stop is the number after the last frame, so it must be above {begin}, not {stop}")
    return Target(number, box, begin, stop, where)


@contextmanager
def in_line(where: str) -> Iterator[None]:
    """Name file and line, if known, in the message of a target that cannot be tracked."""
    try:
        yield
    except (BoxError, ConfigError, StateError) as error:
        raise BoxError(f"{where}: {error}" if where else str(error)) from error


def whole(value: Any, name: str, other: int) -> int:
    """Return a whole number of 0 or above, or `other` for an empty value. Raises BoxError for anything else."""
    if value in (None, ""):
        return other
    is_exact = isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())
    try:
        number = int(value) if is_exact else float(value)  # a float would change a number of 17 digits
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not 0 <= number < 2**63 or number % 1:
        raise BoxError(f"{name} must be a whole number of 0 or above, and of at most 18 digits, not {shown(value, 60)}")
    return int(number)
