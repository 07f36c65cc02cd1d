"""Many videos: a list of them, and which are done."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mixformer.errors import BoxError, ConfigError, OutputError
from mixformer.files import write_text
from mixformer.imaging.boxes import parse_box
from mixformer.run.outputs import Paths
from mixformer.video.targets import Target, read_targets, whole

_COLUMNS = ("source", "box", "boxes", "start", "stop", "name")
_HOW = "columns are source, box (x y w h) or boxes (a file), and, if wanted, start, stop and name"
_FILES = {"video": "annotated.mp4", "json": "boxes.jsonl", "csv": "boxes.csv", "mot": "boxes.txt", "masks": "masks"}
_DONE = "done.json"


@dataclass(frozen=True)
class VideoJob:
    """One video to track.

    Attributes:
        name: of its folder of results.
        source: as for `open_video`.
        targets: whom to follow.
        folder: where the results go.
        write: what to write: some of "json", "csv", "mot", "video", "masks".
        start: number of the first frame.
        stop: number after the last frame; None goes to the end.
        settings: plain values that decide the results, such as the model and its rules.
    """

    name: str
    source: str
    targets: tuple[Target, ...]
    folder: Path
    write: tuple[str, ...] = ("json",)
    start: int = 0
    stop: int | None = None
    settings: Mapping[str, Any] | None = None

    @property
    def paths(self) -> Paths:
        """Where each result goes."""
        return Paths(**{kind: self.folder / _FILES[kind] for kind in self.write})

    def complete(self) -> bool:
        """Whether there are results of this very job: same source, targets, settings, and all that is to be written."""
        try:
            done = json.loads((self.folder / _DONE).read_text())
        except (OSError, ValueError):
            return False
        return bool(done.get("job") == self._record()) and all(path.exists() for path in self.paths.given())

    def begin(self) -> None:
        """Make the folder; from now on the results are not complete.

        Raises:
            OutputError: if it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _DONE).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write into {self.folder}: {error}") from error

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Note that the results are complete.

        Raises:
            OutputError: if that cannot be written.
        """
        write_text(self.folder / _DONE, json.dumps({"job": self._record(), **summary}, indent=2) + "\n")

    def _record(self) -> dict[str, Any]:
        """What decides the results, as JSON gives it back."""
        targets = [{**asdict(target), "where": ""} for target in self.targets]
        record = {
            "source": self.source,
            "targets": targets,
            "start": self.start,
            "stop": self.stop,
            "write": sorted(self.write),
            "settings": self.settings,
        }
        plain: dict[str, Any] = json.loads(json.dumps(record))
        return plain


def read_jobs(
    path: str | Path, out: Path, write: Sequence[str] = ("json",), settings: Mapping[str, Any] | None = None
) -> list[VideoJob]:
    """Jobs from a file: CSV with a header, or a JSON list of objects with the same names.

    Columns: `source`; `box` (`x y w h`) or `boxes` (a file, see `read_targets`); and, if wanted, `start`, `stop` and
    `name`, which is otherwise that of the source. Paths are relative to the file.

    Args:
        path: the file.
        out: folder of all results; those of a video go to `out/name`.
        write: what to write of each video.
        settings: plain values that decide the results.

    Raises:
        ConfigError: if the file cannot be read, an entry of it is no job, two have one name, or `write` is unknown; the
            message names file and entry.
        BoxError: if a file of targets is wrong.
    """
    path = Path(path)
    if unknown := sorted(set(write) - set(_FILES)):
        raise ConfigError(f"cannot write {', '.join(unknown)}; there are: {', '.join(_FILES)}")
    jobs: dict[str, VideoJob] = {}
    for where, row in _rows(path):
        try:
            job = _job(row, path.parent, where, out)
        except BoxError as error:
            raise BoxError(f"{where}: {error}") from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {error}") from error
        if job.name in jobs:
            raise ConfigError(f"{where}: there is a video called {job.name!r} already; give one of them another name")
        jobs[job.name] = replace(job, write=tuple(dict.fromkeys(write)), settings=settings)
    if not jobs:
        raise ConfigError(f"{path} holds no videos; {_HOW}")
    return list(jobs.values())


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Where each entry of the file is, and its values by name, without the empty ones."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            rows = [(f"{path}, entry {number}", dict(row)) for number, row in enumerate(json.loads(text), 1)]
        else:
            reader = csv.DictReader(text.splitlines(), restkey="(too many values)", skipinitialspace=True)
            rows = [(f"{path}, line {reader.line_num}", dict(row)) for row in reader]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f"the jobs in {path} cannot be read: {error}; {_HOW}") from error
    for where, row in rows:
        if unknown := [str(name) for name in row if name not in _COLUMNS]:
            raise ConfigError(f"{where}: there is no column {', '.join(unknown)}; {_HOW}")
    return [(where, {name: value for name, value in row.items() if value not in (None, "")}) for where, row in rows]


def _job(row: Mapping[str, Any], home: Path, where: str, out: Path) -> VideoJob:
    """One entry; `home` is where relative paths begin."""
    if "source" not in row or ("box" in row) == ("boxes" in row):
        raise ConfigError(f"a video needs its source, and either box or boxes; {_HOW}")
    source = str(row["source"])
    if "://" not in source:
        source = str((home / source).resolve())
    start = whole(row.get("start"), "start", 0)
    stop = whole(row["stop"], "stop", 0) if "stop" in row else None
    if "boxes" in row:
        targets = read_targets(home / str(row["boxes"]), start)
    else:
        box: Any = row["box"].replace(",", " ").split() if isinstance(row["box"], str) else row["box"]
        targets = [Target(1, parse_box(box), start, where=where)]
    name = str(row.get("name", Path(source.rstrip("/\\")).stem))
    if name in ("", ".", "..") or any(sign in name for sign in '/\\:*?"<>|'):
        raise ConfigError(f"the name of a video becomes a folder, which {name!r} cannot be; give another in name")
    return VideoJob(name, source, tuple(targets), out / name, start=start, stop=stop)
