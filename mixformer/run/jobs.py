"""A list of many videos, and which of them are done."""

from __future__ import annotations

import csv
import io
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mixformer.errors import BoxError, ConfigError, DataError, OutputError, remedy, warn_deprecated
from mixformer.files import LARGEST_SETTINGS, parse_json, path_kind, read_json_file, read_text_file, write_text
from mixformer.files.partial_names import LONGEST, is_folder_name, own_places, real_path
from mixformer.imaging.boxes import parse_box
from mixformer.imaging.images import list_pictures
from mixformer.run.video_task import VideoTask
from mixformer.video.cameras import is_camera
from mixformer.video.output_formats import OUTPUT_FORMATS, require_formats
from mixformer.video.targets import Target, read_targets, whole

_COLUMNS = ("source", "box", "targets", "start", "stop", "name")
_HOW = "columns are source, box (x y w h) or targets (a file), and, if wanted, start, stop and name"
_DONE = "done.json"


@dataclass(frozen=True)
class VideoJob:
    """One video of many, with a folder of its own for the results.

    Attributes:
        name: name of the video.
        source: as for `open_video`.
        targets: targets to track.
        folder: folder for the results.
        write: names of the output formats to write, such as "json" and "video"; see `mixformer.video.OUTPUT_FORMATS`.
        start: number of the first frame.
        stop: number after the last frame; None goes to the end.
        settings: plain values that decide the results, such as the model and the tracker settings; None: whether
            a job is complete does not depend on them.
        opening: how to open cameras and addresses: `timeout` and `every_frame` of `open_video`.

    Example:
        >>> from pathlib import Path
        >>> from mixformer import Box
        >>> from mixformer.run import VideoJob
        >>> from mixformer.video import Target
        >>> job = VideoJob("park", "park.mp4", (Target(1, Box(260, 29, 41, 142)),), Path("tracked/park"))
        >>> job.complete()
        False
    """

    name: str
    source: str
    targets: tuple[Target, ...]
    folder: Path
    write: tuple[str, ...] = ("json",)
    start: int = 0
    stop: int | None = None
    settings: Mapping[str, Any] | None = None
    opening: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, Path]:
        """Return the path of each output format."""
        return {name: self.folder / OUTPUT_FORMATS[name].file_name for name in self.write}

    def task(self) -> VideoTask:
        """Return the video as a task for the loop, which marks the results complete at the end."""
        same = {name: getattr(self, name) for name in ("source", "targets", "outputs", "name", "start", "stop")}
        size = _size_of(self.source)  # before it is read: it may grow meanwhile
        return VideoTask(
            **same,
            overwrite=True,
            opening=self.opening,
            settings=self.settings,
            begin=self.begin,
            finish=lambda summary: self.finish(
                {k: v for k, v in asdict(summary).items() if k != "files"} | {"source_size": size}
            ),
        )

    def complete(self) -> bool:
        """Tell whether all results of this very job are there: same source, targets, settings and outputs.

        A source of another size than then is another one; one that is gone by now is not needed any more.
        """
        try:
            done = read_json_file(self.folder / _DONE)
        except DataError:
            return False
        if not isinstance(done, dict) or done.get("job") != self._record():
            return False
        size = _size_of(self.source)
        same = size is None or done.get("source_size", size) == size
        return same and all(path.exists() for path in self.outputs.values())

    def begin(self) -> None:
        """Mark the results in the folder as incomplete, before others take their places."""
        try:
            (self.folder / _DONE).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write into {self.folder}: {error}; {remedy(error)}") from error

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mark the results as complete. Raises OutputError if the mark cannot be written."""
        write_text(self.folder / _DONE, json.dumps({"job": self._record(), **summary}, indent=2) + "\n")

    def _record(self) -> dict[str, Any]:
        """Return what decides the results, as JSON gives it back."""
        targets = [{**asdict(target), "where": ""} for target in self.targets]
        record = {name: getattr(self, name) for name in ("source", "start", "stop", "settings")}
        plain: dict[str, Any] = json.loads(json.dumps({**record, "targets": targets, "write": sorted(self.write)}))
        return plain


def _size_of(source: str) -> int | None:
    """Return the bytes of a file or the number of pictures in a folder, or None for anything else."""
    path = Path(source)
    kind = path_kind(path)
    with suppress(OSError):
        return len(list_pictures(path)) if kind == "folder" else path.stat().st_size if kind else None
    return None


def read_jobs(
    path: str | Path, out: Path, write: Sequence[str] = ("json",), settings: Mapping[str, Any] | None = None
) -> list[VideoJob]:
    """Read a list of videos from a CSV file with a header, or from a JSON list of objects with the same names.

    The columns are `source`; `box` (`x y w h`) or `targets` (a file, see `read_targets`); and, if wanted, `start`,
    `stop` and `name`. The name is otherwise that of the source. Paths are relative to the file.

    Args:
        path: the file.
        out: folder of all results; those of a video go to `out/name`.
        write: names of the output formats to write for each video.
        settings: plain values that decide the results.

    Raises:
        ConfigError: if the file cannot be read, an entry is no video, two have one name, or a format is unknown; the
            message names file and entry.
        BoxError: if a file of targets is wrong.
        OutputError: if a result would take the place of this file, or of a file of targets.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.run import read_jobs
        >>> _ = Path("jobs.csv").write_text("source,box,stop\\npark.mp4,260 29 41 142,100\\n")
        >>> (job,) = read_jobs("jobs.csv", Path("tracked"))
        >>> job.name, job.targets[0].box.w, job.stop
        ('park', 41.0, 100)
    """
    path, out = Path(path), Path(out)
    require_formats(write)
    jobs: dict[str, VideoJob] = {}
    inputs = {real_path(path)}
    for where, row in _rows(path):
        inputs |= {real_path(path.parent / str(row["targets"]))} if "targets" in row else set()
        try:
            job = _job(row, path.parent, where, out)
        except BoxError as error:
            raise BoxError(f"{where}: {error}") from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {error}") from error
        key = unicodedata.normalize("NFC", job.name).casefold()  # some file systems take such names for the same
        if key in jobs:
            other = jobs[key].name
            raise ConfigError(f"{where}: there is a video called {other!r} already; give one of them another name")
        jobs[key] = replace(job, write=tuple(dict.fromkeys(write)), settings=settings)
    if not jobs:
        raise ConfigError(f"{path} holds no videos; {_HOW}")
    for job in jobs.values():
        _require_apart(job, inputs)
    return list(jobs.values())


def _require_apart(job: VideoJob, inputs: set[Path]) -> None:
    """Raise OutputError if a result would take the place of the list of videos, or of a file of targets."""
    for place in (*job.outputs.values(), job.folder / _DONE):
        if taken := inputs.intersection(own_places(place)):
            raise OutputError(f"{place} would replace {taken.pop()}, which is read; give another folder as --out")


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the place of each entry in the file, and its values by name, without the empty ones."""
    text = read_text_file(path, ConfigError, LARGEST_SETTINGS)
    try:
        if path.suffix.lower() == ".json" or text.lstrip().startswith("["):
            entries = parse_json(text, path, ConfigError)
            rows = [(f"{path}, entry {number}", dict(row)) for number, row in enumerate(entries, 1)]
        else:
            rows = _table(path, text)
    except ConfigError:
        raise
    except (ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f"the jobs in {path} cannot be read: {error}; {_HOW}") from error
    if any("boxes" in row for _, row in rows):
        warn_deprecated(f"{path}: the column boxes is now called targets")
        for _, row in rows:
            row |= {"targets": row.pop("boxes")} if "boxes" in row else {}
    for where, row in rows:
        if unknown := [str(name) for name in row if name not in _COLUMNS]:
            raise ConfigError(f"{where}: there is no column {', '.join(unknown)}; {_HOW}")
    return [(where, {name: value for name, value in row.items() if value not in (None, "")}) for where, row in rows]


def _table(path: Path, text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the place of each row of CSV, and its values by name."""
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="(too many values)", skipinitialspace=True)
    names = reader.fieldnames or ()
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}: two columns have the same name; {_HOW}")
    return [(f"{path}, line {reader.line_num}", dict(row)) for row in reader]


def _job(row: Mapping[str, Any], home: Path, where: str, out: Path) -> VideoJob:
    """Make a job of one entry; `home` is the folder that relative paths start from."""
    if "source" not in row or ("box" in row) == ("targets" in row):
        raise ConfigError(f"a video needs its source, and either box or targets; {_HOW}")
    source = str(row["source"])
    if "://" not in source and not is_camera(source):
        source = str(real_path(home / source))
    start = whole(row.get("start"), "start", 0)
    stop = whole(row["stop"], "stop", 0) if "stop" in row else None
    if "targets" in row:
        targets = read_targets(home / str(row["targets"]), start)
    else:
        box: Any = row["box"].replace(",", " ").split() if isinstance(row["box"], str) else row["box"]
        targets = [Target(1, parse_box(box), start, where=where)]
    name = str(row.get("name", Path(source.rstrip("/\\")).stem))
    if not is_folder_name(name):
        raise ConfigError(f"the name of a video becomes a folder, which {name!r} cannot be; give another in name")
    if len(os.fsencode(name)) > LONGEST:
        raise ConfigError(f"the name {name[:40]!r}... is longer than file systems allow; give a shorter one in name")
    return VideoJob(name, source, tuple(targets), out / name, start=start, stop=stop)
