"""Raw results as the zip files that benchmark servers take, checked before anything is written."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mixformer.errors import DataError, first_few
from mixformer.evaluation.result_files import read_boxes, read_column, result_paths
from mixformer.files import write_files
from mixformer.types import FloatArray

_SHOWN = 20  # problems
_DATE = (1980, 1, 1, 0, 0, 0)  # equal results give equal zip files


@dataclass(frozen=True)
class _Result:
    """One sequence, checked. `times` is (n,), or None if the format has none."""

    name: str
    boxes: FloatArray
    times: FloatArray | None


@dataclass(frozen=True)
class PackFormat:
    """What a server takes.

    Attributes:
        name: as on the command line.
        timed: whether times belong to it.
        entries: name in the zip and text, for each file of a sequence.
    """

    name: str
    timed: bool
    entries: Callable[[_Result, bool], Iterator[tuple[str, str]]]


def _got10k(result: _Result, integers: bool) -> Iterator[tuple[str, str]]:
    yield f"{result.name}/{result.name}_001.txt", _lines(result.boxes, integers)
    if result.times is not None:
        yield f"{result.name}/{result.name}_time.txt", "".join(f"{seconds:.8f}\n" for seconds in result.times)


def _trackingnet(result: _Result, integers: bool) -> Iterator[tuple[str, str]]:
    yield f"{result.name}.txt", _lines(result.boxes, integers)


FORMATS: Mapping[str, PackFormat] = MappingProxyType(
    {
        "got10k": PackFormat("got10k", True, _got10k),
        "trackingnet": PackFormat("trackingnet", False, _trackingnet),
    }
)
"""The formats by name."""


def pack(
    format_name: str,
    folder: Path,
    out: Path,
    expected: Mapping[str, int | None],
    *,
    integers: bool = False,
) -> int:
    """Check raw results and write them as a zip file; the raw results stay as they are.

    Boxes are written in the coordinates of the raw results, which are those of the data set's own annotation.

    Args:
        format_name: key of `FORMATS`.
        folder: raw results, `SEQUENCE.txt` and `SEQUENCE_time.txt`.
        out: zip file to write.
        expected: every sequence that must be there, with its number of frames or None if that is not known.
        integers: cut off to whole pixels, as the official scripts do; floats with 4 decimals otherwise.

    Returns:
        The number of sequences in the zip file.

    Raises:
        DataError: for an unknown format, or naming what is missing, short, damaged or not finite; nothing is then
            written.
        OutputError: if the zip file cannot be written.
    """
    if format_name not in FORMATS:
        raise DataError(f"there is no format {format_name!r}; there are {', '.join(FORMATS)}")
    form = FORMATS[format_name]
    problems: list[str] = []
    results = [
        result for name, frames in expected.items() if (result := _checked(folder, name, frames, form, problems))
    ]
    if problems:
        listed = "\n  ".join(first_few(problems, _SHOWN))
        raise DataError(f"{folder} cannot be packed; nothing was written:\n  {listed}")
    entries = (entry for result in results for entry in form.entries(result, integers))
    write_files({out: lambda part: _zip(part, entries)})
    return len(results)


def _checked(folder: Path, name: str, frames: int | None, form: PackFormat, problems: list[str]) -> _Result | None:
    """One sequence's files; None after adding what is wrong to `problems`."""
    boxes_file, times_file, _ = result_paths(folder, name)
    before = len(problems)
    boxes = _read(read_boxes, boxes_file, frames, problems)
    if boxes is not None and (boxes[:, 2:] <= 0).any():
        row = int(np.flatnonzero((boxes[:, 2:] <= 0).any(1))[0])
        problems.append(f"{boxes_file}, line {row + 1}: a box without width or height")
    times = None
    if form.timed:
        times = _read(read_column, times_file, frames if boxes is None else len(boxes), problems)
        if times is not None and not np.isfinite(times).all():
            row = int(np.flatnonzero(~np.isfinite(times))[0])
            problems.append(f"{times_file}, line {row + 1}: {times[row]} is not a finite number")
    return _Result(name, boxes, times) if boxes is not None and len(problems) == before else None


def _read(
    reader: Callable[[Path, int | None], FloatArray], path: Path, lines: int | None, problems: list[str]
) -> FloatArray | None:
    """What the reader finds, or None after adding what is wrong to `problems`."""
    if not path.is_file():
        problems.append(f"{path} is missing")
        return None
    try:
        return reader(path, lines)
    except DataError as error:
        problems.append(str(error))
        return None


def _lines(boxes: FloatArray, integers: bool) -> str:
    """One `x,y,w,h` a line."""
    form = "{:d}".format if integers else "{:.4f}".format
    rows = np.trunc(boxes).astype(int).tolist() if integers else boxes.tolist()
    return "".join(",".join(map(form, row)) + "\n" for row in rows)


def _zip(part: Path, entries: Iterator[tuple[str, str]]) -> None:
    with zipfile.ZipFile(part, "w") as archive:
        for name, text in entries:
            archive.writestr(zipfile.ZipInfo(name, _DATE), text, zipfile.ZIP_DEFLATED)
