"""Check raw results, and pack them as the zip files that benchmark servers accept."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mixformer.data import DATASETS, DatasetOptions, load_dataset
from mixformer.errors import ConfigError, DataError, first_few
from mixformer.evaluation.manifest import made_by_mixformer, read_manifest
from mixformer.evaluation.result_files import RawResult, read_column, read_result_boxes, result_paths
from mixformer.files import write_files
from mixformer.types import FloatArray

_SHOWN = 20  # problems
_DATE = (1980, 1, 1, 0, 0, 0)  # equal results give equal zip files


@dataclass(frozen=True)
class SubmissionFormat:
    """The files that a server accepts."""

    timed: bool  # whether it has files of times
    # (sequence, result, truncate) -> name in the zip file and text, for each file of a sequence
    entries: Callable[[str, RawResult, bool], Iterator[tuple[str, str]]]


def _got10k(name: str, result: RawResult, truncate: bool) -> Iterator[tuple[str, str]]:
    yield f"{name}/{name}_001.txt", _lines(result.boxes, truncate)
    if result.times is not None:
        yield f"{name}/{name}_time.txt", "".join(f"{seconds:.8f}\n" for seconds in result.times)


def _trackingnet(name: str, result: RawResult, truncate: bool) -> Iterator[tuple[str, str]]:
    yield f"{name}.txt", _lines(result.boxes, truncate)


SUBMISSION_FORMATS: Mapping[str, SubmissionFormat] = MappingProxyType(
    {"got10k": SubmissionFormat(True, _got10k), "trackingnet": SubmissionFormat(False, _trackingnet)}
)
"""The formats by name."""


def expected_sequences(
    format_name: str, folder: Path, *, root: Path | None = None, split: str = "test", part: bool = False
) -> dict[str, int | None]:
    """Return the sequences that a server expects, with the number of frames of each, or None if it is unknown.

    Args:
        format_name: key of `SUBMISSION_FORMATS`, which is also the name of the data set.
        folder: raw results; their `run.json` gives the numbers of frames.
        root: folder of the data set, which then gives the numbers of frames.
        split: split of the data set.
        part: return only the sequences that have results.

    Raises:
        ConfigError: if the split has no published list, or no sequence of it has a result.
        DataError: if the data set or the `run.json` cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.evaluation import expected_sequences
        >>> len(expected_sequences("got10k", Path("results")))
        180
    """
    rows = DATASETS[format_name].published
    if split not in rows:
        raise ConfigError(f"{format_name} has no list of the split {split!r}; choose from {', '.join(rows)}")
    names = [row.name for row in rows[split]()]
    if part:
        names = [name for name in names if (folder / f"{name}.txt").is_file()]
        if not names:
            raise ConfigError(f"{folder} holds no result of a {format_name} {split} sequence")
    frames: dict[str, int] = {}
    if root is not None:
        frames = {each.name: len(each) for each in load_dataset(format_name, root, DatasetOptions(split))}
    elif made_by_mixformer(folder):
        frames = {name: entry["frames"] for name, entry in read_manifest(folder)["sequences"].items()}
    return {name: frames.get(name) for name in names}


def write_submission(
    format_name: str, folder: Path, out: Path, expected: Mapping[str, int | None], *, truncate: bool = False
) -> int:
    """Check raw results and pack them as a zip file for a benchmark's server; return the number of sequences.

    Boxes keep the coordinates of the raw results, which are those of the data set's own annotation.

    Args:
        format_name: key of `SUBMISSION_FORMATS`.
        folder: raw results, `SEQUENCE.txt` and `SEQUENCE_time.txt`.
        out: zip file to write.
        expected: every required sequence with its number of frames, or None if unknown; see `expected_sequences`.
        truncate: cut off to whole pixels, as the official scripts do; otherwise write 4 decimals.

    Raises:
        DataError: if the format is unknown, or a result is missing, too short, damaged or not finite. The message lists
            all problems, and nothing is written.
        OutputError: if the zip file cannot be written.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from mixformer.evaluation import write_result, write_submission
        >>> write_result(Path("ours"), "video-1", np.array([[10.0, 20, 40, 30]]))
        >>> write_submission("trackingnet", Path("ours"), Path("ours.zip"), {"video-1": 1})
        1
    """
    if format_name not in SUBMISSION_FORMATS:
        raise DataError(f"there is no format {format_name!r}; choose from {', '.join(SUBMISSION_FORMATS)}")
    form = SUBMISSION_FORMATS[format_name]
    problems: list[str] = []
    results = {name: _checked(folder, name, frames, form, problems) for name, frames in expected.items()}
    if problems:
        listed = "\n  ".join(first_few(problems, _SHOWN))
        raise DataError(f"{folder} cannot be packed; nothing was written:\n  {listed}")
    entries = (entry for name, result in results.items() if result for entry in form.entries(name, result, truncate))
    write_files({out: lambda part: _zip(part, entries)})
    return len(results)


def _checked(
    folder: Path, name: str, frames: int | None, form: SubmissionFormat, problems: list[str]
) -> RawResult | None:
    """Read the result of a sequence, or add its problems to `problems` and return None."""
    boxes_file, times_file, *_ = result_paths(folder, name)
    before = len(problems)
    boxes = _read(read_result_boxes, boxes_file, frames, problems)
    if boxes is not None and (boxes[:, 2:] <= 0).any():
        row = int(np.flatnonzero((boxes[:, 2:] <= 0).any(1))[0])
        problems.append(f"{boxes_file}, line {row + 1}: a box without width or height")
    times = None
    if form.timed:
        times = _read(read_column, times_file, frames if boxes is None else len(boxes), problems)
        if times is not None and not np.isfinite(times).all():
            row = int(np.flatnonzero(~np.isfinite(times))[0])
            problems.append(f"{times_file}, line {row + 1}: {times[row]} is not a finite number")
    return RawResult(boxes, times) if boxes is not None and len(problems) == before else None


def _read(
    reader: Callable[[Path, int | None], FloatArray], path: Path, lines: int | None, problems: list[str]
) -> FloatArray | None:
    """Read a table, or add the problem to `problems` and return None."""
    if not path.is_file():
        problems.append(f"{path} is missing")
        return None
    try:
        return reader(path, lines)
    except DataError as error:
        problems.append(str(error))
        return None


def _lines(boxes: FloatArray, truncate: bool) -> str:
    """Write one `x,y,w,h` per line."""
    form = "{:d}".format if truncate else "{:.4f}".format
    rows = np.trunc(boxes).astype(int).tolist() if truncate else boxes.tolist()
    return "".join(",".join(map(form, row)) + "\n" for row in rows)


def _zip(part: Path, entries: Iterator[tuple[str, str]]) -> None:
    with zipfile.ZipFile(part, "w") as archive:
        for name, text in entries:
            archive.writestr(zipfile.ZipInfo(name, _DATE), text, zipfile.ZIP_DEFLATED)
