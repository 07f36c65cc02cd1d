"""The formats of results, and the writer of box files: JSON lines, CSV, MOTChallenge text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mixformer.errors import ConfigError, OutputError, remedy
from mixformer.types import TrackResult
from mixformer.video.drafts import Draft, Mark

Line = Callable[[TrackResult, int | None], str]
"""A function that makes one line of text from a result and the id of its target (None in a file without ids)."""


@dataclass(frozen=True)
class OutputFormat:
    """A kind of output of a tracked video. A new one needs an entry in `OUTPUT_FORMATS` and nothing else.

    Attributes:
        name: key in the `outputs` of `track_video`, and value of `mixformer track-all --write`.
        file_name: name of the file or folder that `mixformer track-all` writes in the folder of a video.
        help: content of the file, for `mixformer track --help`.
        line: function that makes one line of text; None for formats that are no text files.
        header: function that makes the first line; its argument tells whether the file has ids. None writes no header.
        option: name of the command line option, without dashes; empty takes `name`.

    Example:
        >>> from mixformer.types import Box, TrackResult
        >>> from mixformer.video import OUTPUT_FORMATS, OutputFormat
        >>> def center(result, id):
        ...     return "{:g} {:g}".format(*result.box.center)
        >>> OUTPUT_FORMATS["centers"] = OutputFormat("centers", "centers.txt", "centers of the boxes", center)
        >>> OUTPUT_FORMATS.pop("centers").line(TrackResult(Box(10, 20, 4, 6), 1.0, 0), None)
        '12 23'
    """

    name: str
    file_name: str
    help: str
    line: Line | None = None
    header: Callable[[bool], str] | None = None
    option: str = ""

    @property
    def key(self) -> str:
        """Name of the value among parsed command line options."""
        return (self.option or self.name).replace("-", "_")


_VISIBILITY = {"tracking": 1, "uncertain": 0.5, "lost": 0}


def _json(result: TrackResult, id: int | None) -> str:
    row = result.to_dict()
    return json.dumps(row if id is None else {"frame": row.pop("frame"), "id": id, **row})


def _csv(result: TrackResult, id: int | None) -> str:
    row = result.to_dict()
    values = [row["frame"], *([] if id is None else [id]), row["time"], *row["box"], row["score"], row["status"]]
    return ",".join("" if value is None else str(value) for value in values)


def _csv_header(ids: bool) -> str:
    return "frame,id,time,x,y,w,h,score,status" if ids else "frame,time,x,y,w,h,score,status"


def _mot(result: TrackResult, id: int | None) -> str:
    """Make a line of MOTChallenge. Frames and pixels count from 1, and a single target has the id 1.

    The last but one value is the visibility: 1 while the target is tracked, 0.5 while it is uncertain, 0 while it is
    lost. The values before and after it are not used.
    """
    x, y, w, h = result.box
    score = 1.0 if result.score is None else result.score
    place = f"{x + 1:.3f},{y + 1:.3f},{w:.3f},{h:.3f}"
    return f"{result.frame + 1},{1 if id is None else id},{place},{score:.5f},-1,{_VISIBILITY[result.status]:g},-1"


_VIDEO_HELP = (
    "annotated video with the sound, by its ending: mp4, mov, mkv, avi, webm or gif (without sound); or the name of a "
    "folder for PNG files"
)
_JSON_HELP = "boxes as JSON lines: frame, time, box, score, status; with several targets also id"
_MASKS_HELP = (
    "folder of masks, one PNG file for each frame: 255 on the target, 0 elsewhere; with several targets one folder for "
    "each id. GrabCut finds the pixels by their colors; the annotated video shows them tinted. Slow: some 10 frames a "
    "second. Needs: pip install 'mixformer[masks]'"
)
OUTPUT_FORMATS = {
    each.name: each
    for each in (
        OutputFormat("video", "annotated.mp4", _VIDEO_HELP, option="out"),
        OutputFormat("json", "boxes.jsonl", _JSON_HELP, _json),
        OutputFormat("csv", "boxes.csv", "boxes as CSV with a header", _csv, _csv_header),
        OutputFormat("mot", "boxes.txt", "boxes as MOTChallenge text, which counts frames and pixels from 1", _mot),
        OutputFormat("masks", "masks", _MASKS_HELP),
    )
}
"""All output formats by name. `mixformer.run` writes `video` and `masks`; the others are written line by line."""


def require_formats(names: Iterable[str]) -> None:
    """Raise ConfigError if a name is no output format; the message lists the formats."""
    if unknown := sorted(set(map(str, names)) - set(OUTPUT_FORMATS)):
        raise ConfigError(f"cannot write {', '.join(unknown)}; there are: {', '.join(OUTPUT_FORMATS)}")


class ResultWriter:
    """A text file with one line for each result. Use it in a `with` statement.

    Each line is written immediately, to a file beside the result (`boxes.partial.csv`), which is renamed at the end. If
    the `with` statement ends by an exception, it is renamed only if the result does not exist yet.

    Example:
        >>> from mixformer.types import Box, TrackResult
        >>> from mixformer.video import open_results
        >>> with open_results("boxes.csv", "csv") as writer:
        ...     writer.write(TrackResult(Box(10, 20, 30, 40), score=0.9, frame=5))
        >>> print(open("boxes.csv").read())
        frame,time,x,y,w,h,score,status
        5,,10.0,20.0,30.0,40.0,0.9,tracking
    """

    def __init__(
        self, path: Path, line: Line, header: str = "", overwrite: bool = False, kept: Mark | None = None
    ) -> None:
        """Open the file; `open_results` chooses `line` and `header`.

        Raises:
            OutputError: if it cannot be written, or already exists.
        """
        self.path, self._line, self._header = path, line, "" if kept else header
        self._size, self._empty, self._kept = 0, kept is None, kept is not None
        self._draft = Draft(path, overwrite, keep=kept is not None)
        if kept is not None:  # later lines stay until they are written again, so that a killed process loses none
            self._size = self._draft.seek(int(kept["size"]))

    def mark(self) -> Mark:
        """Return the position in the file, for `open_results(kept=...)`."""
        return {"size": self._size}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        whole = False
        try:
            if error is None:
                self._begin()
                if self._kept:
                    self._draft.cut(self._size)
                whole = True
        finally:
            self._draft.end(whole, empty=self._empty)

    def write(self, result: TrackResult, id: int | None = None) -> None:
        """Add one result. `id` is the number of its target, in a file with ids.

        Raises:
            OutputError: if the disk is full or gone; earlier lines are kept.
        """
        self._begin()
        self._put(self._line(result, id))
        self._empty = False

    def _begin(self) -> None:
        if self._header:
            self._put(self._header)
            self._header = ""

    def _put(self, line: str) -> None:
        try:
            self._size += self._draft.write(f"{line}\n".encode())
        except OSError as error:
            self._draft.cut(self._size)
            message = f"cannot write {self.path}: {error}; the lines before are kept; {remedy(error)}"
            raise OutputError(message) from error


def open_results(
    path: str | Path, format: str, ids: bool = False, *, overwrite: bool = False, kept: Mark | None = None
) -> ResultWriter:
    """Open a text file for boxes.

    Args:
        path: file to write.
        format: name of a text format in `OUTPUT_FORMATS`: "json" (one object a line), "csv" (with a header) or "mot"
            (MOTChallenge text).
        ids: write the id of the target in every line, for several targets.
        overwrite: replace an existing file.
        kept: continue the draft of an interrupted run from this `ResultWriter.mark` on.

    Raises:
        ConfigError: if there is no such text format.
        OutputError: if the file cannot be written, or already exists.

    Example:
        >>> from mixformer.types import Box, TrackResult
        >>> from mixformer.video import open_results
        >>> with open_results("boxes.jsonl", "json", ids=True) as writer:
        ...     writer.write(TrackResult(Box(10, 20, 30, 40), score=0.9, frame=5), id=2)
        >>> print(open("boxes.jsonl").read())
        {"frame": 5, "id": 2, "time": null, "box": [10.0, 20.0, 30.0, 40.0], "score": 0.9, "status": "tracking"}
    """
    require_formats([format])
    chosen = OUTPUT_FORMATS[format]
    if chosen.line is None:
        raise ConfigError(f"{format} is no text format; use mixformer.track_video to write it")
    return ResultWriter(Path(path), chosen.line, chosen.header(ids) if chosen.header else "", overwrite, kept)
