"""Boxes out as text, line by line as they come: JSON lines, CSV, MOT."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TextIO

from mixformer.errors import OutputError
from mixformer.types import TrackResult

Form = Literal["json", "csv", "mot"]


def _json(result: TrackResult, id: int | None) -> str:
    row = result.to_dict()
    return json.dumps(row if id is None else {"frame": row.pop("frame"), "id": id, **row})


def _csv(result: TrackResult, id: int | None) -> str:
    row = result.to_dict()
    values = [row["frame"], *([] if id is None else [id]), row["time"], *row["box"], row["score"]]
    return ",".join("" if value is None else str(value) for value in values)


def _mot(result: TrackResult, id: int | None) -> str:
    """MOTChallenge: frame and pixel coordinates count from 1; a lone target is number 1; the last three are unused."""
    x, y, w, h = result.box
    score = 1.0 if result.score is None else result.score
    number = 1 if id is None else id
    return f"{result.frame + 1},{number},{x + 1:.3f},{y + 1:.3f},{w:.3f},{h:.3f},{score:.5f},-1,-1,-1"


_LINES: dict[str, Callable[[TrackResult, int | None], str]] = {"json": _json, "csv": _csv, "mot": _mot}
_HEADERS = {("csv", False): "frame,time,x,y,w,h,score", ("csv", True): "frame,id,time,x,y,w,h,score"}


class ResultWriter:
    """A text file with one line per result, complete after every line. Use it in a `with` statement."""

    def __init__(self, path: Path, form: Form, ids: bool = False) -> None:
        header, self._line = _HEADERS.get((form, ids)), _LINES[form]
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = path.open("w", encoding="utf-8", newline="\n", buffering=1)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error}") from error
        if header:
            self._put(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            if error is None:
                raise OutputError(f"cannot finish {self.path}: {failure}") from failure

    def write(self, result: TrackResult, id: int | None = None) -> None:
        """Add one result; `id` is the number of its target, in a file with ids.

        Raises:
            OutputError: if the disk is full or gone; the lines before it are kept.
        """
        self._put(self._line(result, id))

    def _put(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error}; the lines before are kept") from error


def open_results(path: str | Path, form: Form, ids: bool = False) -> ResultWriter:
    """A writer of boxes.

    Args:
        path: text file to write.
        form: "json" (one object a line), "csv" (with a header) or "mot" (MOTChallenge text).
        ids: results of several targets: every line says which.

    Raises:
        OutputError: if it cannot be written.
    """
    return ResultWriter(Path(path), form, ids)
