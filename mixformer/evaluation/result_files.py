"""Raw results of a tracker as text files: one box per line, with times, scores and statuses in files of their own.

`SEQ.txt` has one `x,y,w,h` per line (pixels, 0-based), `SEQ_time.txt` the seconds of each frame, `SEQ_score.txt` the
probability of each frame, `nan` where there is none, and `SEQ_status.txt` "tracking", "uncertain" or "lost" for each
frame. Files of other trackers may use comma, tab, space or semicolon between numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from mixformer.errors import DataError, counted, shown
from mixformer.files import read_text_file, write_files
from mixformer.types import FloatArray, Status, StatusArray

_SEPARATORS = str.maketrans(",;\t", "   ")


@dataclass(frozen=True)
class RawResult:
    """A tracker's boxes on one sequence, without the ground truth.

    Attributes:
        boxes: (n, 4) xywh in pixels, 0-based.
        times: (n,) seconds per frame, or None if unknown.
        scores: (n,) probabilities, NaN where there is none; or None if unknown.
        size: (height, width) of the first frame in pixels, or None if unknown.
        statuses: (n,) words, each a `TrackResult.status`; or None if unknown.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import RawResult
        >>> RawResult(np.zeros((4, 4)), times=np.full(4, 0.05)).fps
        20.0
    """

    boxes: FloatArray
    times: FloatArray | None = None
    scores: FloatArray | None = None
    size: tuple[int, int] | None = None
    statuses: StatusArray | None = None

    @property
    def fps(self) -> float:
        """Frames per second of tracking, without reading pictures; 0 if the times are unknown."""
        seconds = 0.0 if self.times is None else float(self.times.sum())
        return len(self.boxes) / seconds if seconds > 0 else 0.0


def result_paths(folder: str | Path, name: str) -> tuple[Path, Path, Path, Path]:
    """Return the files of boxes, times, scores and statuses of a sequence; DataError if its name cannot name a file."""
    if not isinstance(folder, str | Path):
        raise DataError(f"the folder of results must be a path, not {shown(folder, 60)}")
    folder = Path(folder)
    if not isinstance(name, str):
        raise DataError(f"the name of a sequence must be a text, not {shown(name, 60)}")
    if not name or Path(name).name != name or "\\" in name:
        raise DataError(f"sequence name {name!r} cannot be a file name; rename the sequence without slashes")
    boxes, times, scores, statuses = (f"{name}{kind}.txt" for kind in ("", "_time", "_score", "_status"))
    return folder / boxes, folder / times, folder / scores, folder / statuses


def write_result(
    folder: str | Path,
    name: str,
    boxes: FloatArray,
    times: FloatArray | None = None,
    scores: FloatArray | None = None,
    statuses: StatusArray | None = None,
    *,
    truncate: bool = False,
) -> None:
    """Write the files of one sequence, all or none. `SEQ.txt` is written last: where it exists, the others do too.

    Args:
        folder: made if missing.
        name: the sequence.
        boxes: (n, 4) xywh in pixels, 0-based; 4 decimals are kept.
        times: (n,) seconds per frame; None writes no file of times.
        scores: (n,) probabilities, NaN where there is none; None writes no file of scores.
        statuses: (n,) words, each a `TrackResult.status`; None writes no file of statuses.
        truncate: cut the boxes to whole numbers (towards 0), as the official code does.

    Raises:
        DataError: if lengths or types differ, a box is not finite, or the name cannot be a file name.
        OutputError: if anything cannot be written; nothing is changed then.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from mixformer.evaluation import write_result
        >>> write_result(Path("ours"), "car-1", np.array([[10.0, 20, 40, 30]]), times=np.array([0.02]))
        >>> Path("ours", "car-1.txt").read_text().strip()
        '10.0000,20.0000,40.0000,30.0000'
    """
    paths = result_paths(folder, name)
    _require_array("boxes", boxes, "fiu")
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise DataError(f"{name}: results are (n, 4) boxes x y w h, not of shape {boxes.shape}")
    if not np.isfinite(boxes).all():
        frame = int(np.flatnonzero(~np.isfinite(boxes).all(1))[0])
        raise DataError(f"{name}: the box of frame {frame} is {boxes[frame].tolist()}, not four finite numbers")
    table, form = (np.trunc(boxes), "%d") if truncate else (boxes, "%.4f")
    files = {}
    for path, what, values in zip(paths[1:], ("times", "scores", "statuses"), (times, scores, statuses), strict=True):
        if values is None:
            continue
        _require_array(what, values, "UTO" if what == "statuses" else "fiu")
        if values.shape != (len(boxes),):
            raise DataError(f"{name}: {what} of shape {values.shape} beside {counted(len(boxes), 'box')}")
        files[path] = _text_writer(values[:, None], "%s" if values is statuses else "%.6f")
    write_files({**files, paths[0]: _text_writer(table, form)})
    for path in set(paths) - {*files, paths[0]}:
        path.unlink(missing_ok=True)  # a file of an earlier run does not belong to these boxes


def _require_array(what: str, values: object, kinds: str) -> None:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
        content = "words" if "U" in kinds else "numbers"
        raise DataError(f"{what} must be a NumPy array of {content}, not {shown(values, 60)}")


def _text_writer(table: FloatArray | StatusArray, form: str) -> Callable[[Path], object]:
    return partial(np.savetxt, X=table, fmt=form, delimiter=",", newline="\n", encoding="utf-8")


def read_result_boxes(path: Path, frames: int | None = None, *, allow_nan: bool = False) -> FloatArray:
    """Read the boxes (n, 4) of a result file; numbers are separated by comma, tab, space or semicolon, in any mixture.

    Raises DataError, naming the line, if a line does not hold four finite numbers (or `nan` for "no box" with
    `allow_nan`), there are not as many lines as `frames`, or the file is empty or cannot be read.
    """
    boxes = _read_table(path, 4, "a box is four numbers x y w h")
    bad = np.isinf(boxes) if allow_nan else ~np.isfinite(boxes)
    if bad.any():
        row = int(np.flatnonzero(bad.any(1))[0])
        raise DataError(f"{path}, line {row + 1}: {boxes[row].tolist()} is not a box of four finite numbers")
    _check_count(path, len(boxes), frames)
    return boxes


def read_result(folder: str | Path, name: str, frames: int | None = None, *, allow_nan: bool = False) -> RawResult:
    """Read boxes, times, scores and statuses of one sequence; times, scores and statuses are None without their file.

    Raises DataError as in `read_result_boxes`; also if another file has another number of lines than the boxes.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from mixformer.evaluation import read_result, write_result
        >>> write_result(Path("ours"), "car-1", np.array([[10.0, 20, 40, 30]]))
        >>> read_result(Path("ours"), "car-1").boxes.tolist()
        [[10.0, 20.0, 40.0, 30.0]]
    """
    paths = result_paths(folder, name)
    boxes = read_result_boxes(paths[0], frames, allow_nan=allow_nan)
    times, scores = (read_column(path, len(boxes)) if path.is_file() else None for path in paths[1:3])
    statuses = read_statuses(paths[3], len(boxes)) if paths[3].is_file() else None
    return RawResult(boxes, times, scores, statuses=statuses)


def read_column(path: Path, frames: int | None = None) -> FloatArray:
    """Read the (n,) numbers, or NaN, of a file of times or scores, one per line; DataError as `read_result_boxes`."""
    column = _read_table(path, 1, "times and scores are one number per line")[:, 0]
    _check_count(path, len(column), frames)
    return column


def read_statuses(path: Path, frames: int | None = None) -> StatusArray:
    """Read the (n,) words of a file of statuses, one per line; DataError as `read_result_boxes`, or if unknown."""
    words: StatusArray = np.array(read_text_file(path).split(), dtype=np.str_)
    wrong = np.flatnonzero(~np.isin(words, get_args(Status)))
    if len(wrong):
        known = ", ".join(get_args(Status))
        raise DataError(f"{path}, line {wrong[0] + 1}: {str(words[wrong[0]])[:40]!r} is no status; there are {known}")
    _check_count(path, len(words), frames)
    return words


def _check_count(path: Path, lines: int, frames: int | None) -> None:
    if frames is None or lines == frames:
        return
    what = f"line {lines + 1} is missing" if lines < frames else f"line {frames + 1} is one too many"
    raise DataError(
        f"{path}, {what}: {counted(lines, 'line')} for {counted(frames, 'frame')}; "
        "run the tracker on this sequence again"
    )


def _read_table(path: Path, columns: int, rule: str) -> FloatArray:
    text = read_text_file(path)
    rows = [line.split() for line in text.rstrip().translate(_SEPARATORS).splitlines()]
    if not rows:
        raise DataError(f"{path} is empty; run the tracker on this sequence again")
    try:
        table = np.array(rows, dtype=np.float64)
    except ValueError:
        table = np.empty((0, 0))
    if table.shape != (len(rows), columns):
        raise DataError(f"{path}, {_first_broken(rows, columns)}; {rule}, separated by comma, tab, space or semicolon")
    return table


def _first_broken(rows: list[list[str]], columns: int) -> str:
    """Describe the first line that does not hold `columns` numbers."""
    for number, row in enumerate(rows, 1):
        if not row:
            return f"line {number} is empty"
        try:
            [float(value) for value in row]
        except ValueError as error:
            return f"line {number}: {error}"
        if len(row) != columns:
            break
    return f"line {number} holds {counted(len(row), 'number')} instead of {columns}"
