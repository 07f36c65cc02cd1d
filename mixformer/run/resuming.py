"""Files that let the same command resume an interrupted run.

About every second of video, a `ResumePoint` is written to a file `.NAME.resume` beside the first result: the length of
each result, and the states of the targets there. A resumed run tracks the frames after this point again, so that its
results are those of a run without an interruption. The file is removed when the results are complete.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.errors import MixFormerError, OutputError
from mixformer.files import arrays_writer, write_files
from mixformer.files.partial_names import partial_path, real_path
from mixformer.run.absences import Stretches
from mixformer.run.multi_target import Results
from mixformer.run.resume_places import forget, resume_path, source_facts
from mixformer.tracking.state import TrackState
from mixformer.types import Box, TrackResult
from mixformer.video.drafts import Mark
from mixformer.video.left_drafts import draft_of, drop_aside, take_back
from mixformer.video.targets import Target
from mixformer.video.video_formats import require_video
from mixformer.video.video_writer import frames_in

log = logging.getLogger(__name__)

_FORMAT = 1
_KEPT = 2  # points: what FFmpeg has not written yet when a process is killed may be behind the last one
_LARGEST = 2**30  # bytes of such a file


@dataclass(frozen=True)
class Snapshot:
    """The targets of a video after a frame."""

    next: int  # number of the next frame
    present: Mapping[int, int | None]  # last frame of each target that is tracked, by its number
    waiting: tuple[int, ...]  # numbers of those that begin later
    states: Mapping[int, TrackState]


@dataclass(frozen=True)
class ResumePoint:
    """Everything that a run needs to continue after a frame."""

    targets: Snapshot
    frames: int  # number of frames written
    scores: tuple[float, int]  # sum and number
    seconds: float  # since the start
    skipped: tuple[int, ...]  # numbers of unreadable frames
    absences: Stretches  # in which targets were lost
    marks: Mapping[str, Mark]  # how far each output is, by its name
    recent: Sequence[Results]  # of the last frames, for what is drawn
    size: tuple[int, int]  # height and width of the frames


@dataclass
class ResumeFile:
    """The file beside the results of a run."""

    path: Path  # of the file
    outputs: Mapping[str, Path]  # path of each result by the name of its format
    identity: Mapping[str, Any]  # plain values that decide the results
    _points: list[ResumePoint] = field(default_factory=list)
    _placed: Mapping[str, Sequence[int]] = field(default_factory=dict)  # results in their places that are not whole
    _added: int = 0

    def is_ours(self) -> bool:
        """Tell whether the same run was interrupted; its results, wherever they are, may then be replaced."""
        record = _read(self.path)
        if record is None or record.identity != self.identity:
            return False
        self._placed = {name: record.placed[name] for name in record.placed_now(self.outputs)}
        return True

    def begin(self) -> None:
        """Note that the run begins anew. Results that an interrupted one has put in their places stay its own."""
        if self._placed:
            self._save(self._placed)
        else:
            forget(self.outputs)

    def may_replace(self) -> bool:
        """Tell whether the same run was interrupted, and has left results in their places."""
        return self.is_ours() and bool(self._placed)

    def note(self, placed: str | None = None) -> None:
        """Note which run this is, and that it has put a result in its place, although others are to come."""
        if placed is not None and (look := _look(self.outputs[placed])):
            self._placed = {**self._placed, placed: look}
        self._save(self._placed)

    def find(self) -> ResumePoint | None:
        """Return the newest point of the same run that all its results reach, or None if there is none.

        Results that were put in their places when the run was interrupted become drafts again.
        """
        record = _read(self.path)
        points = record.points if record else ()
        placed = record.placed_now(self.outputs) if record else ()
        try:
            there = all(draft_of(path) != path or name in placed for name, path in self.outputs.items())
            reached = [point for point in points if there and self._reached(point)]
            for path in self.outputs.values() if reached else ():
                take_back(path)
        except (OSError, MixFormerError) as error:
            log.warning("the interrupted run begins anew: %s", error)
            return None
        if points and not reached:
            log.warning("the interrupted run begins anew, since its files cannot be continued")
        self._points = reached[-1:]
        return reached[-1] if reached else None

    def _reached(self, point: ResumePoint) -> bool:
        return all(_reaches(self.outputs[name], mark) for name, mark in point.marks.items())

    def add(self, point: ResumePoint) -> None:
        """Write one more point. An error of writing is ignored, since the results matter more."""
        self._added += 1
        if self._added == _KEPT:  # the first of them is surely on the disk
            for path in self.outputs.values():
                drop_aside(path)
        marks = {name: _with_number(self.outputs[name], mark) for name, mark in point.marks.items()}
        self._points = [*self._points, replace(point, marks=marks)][-_KEPT:]
        self._save(self._placed)

    def drafts(self) -> dict[str, int]:
        """Return the number that the file system gives each draft, which it keeps when it is put in its place."""
        return {
            name: part.stat().st_ino for name, path in self.outputs.items() if (part := partial_path(path)).exists()
        }

    def stop(self, drafts: Mapping[str, int]) -> None:
        """Note which results are in their places although they are not whole.

        If there is no point to resume from, this note allows the same command to start again and replace them. `drafts`
        is the value of `drafts()` before the results were closed.
        """
        placed = dict(self._placed)
        for name, path in self.outputs.items():
            look = None if partial_path(path).exists() else _look(path)
            if look is not None and (self._points or path.stat().st_ino == drafts.get(name)):
                placed[name] = look
        if placed or self._points:
            self._save(placed)

    def _save(self, placed: Mapping[str, Sequence[int]]) -> None:
        arrays: dict[str, Any] = {}
        points = []
        for place, point in enumerate(self._points):
            plain = {each.name: getattr(point, each.name) for each in fields(point)}
            targets = point.targets
            plain["targets"] = [targets.next, list(targets.present.items()), targets.waiting]
            plain["absences"] = list(point.absences.items())
            plain["recent"] = [[[id, asdict(result)] for id, result in results.items()] for results in point.recent]
            points.append(plain)
            for id, state in targets.states.items():
                arrays |= {f"{place} {id} {name}": value for name, value in state.to_arrays().items()}
        said = {"format": _FORMAT, "identity": self.identity, "placed": placed, "points": points}
        arrays["said"] = np.array(json.dumps(said))
        with suppress(OutputError):
            write_files({self.path: arrays_writer(arrays)}, sync=False)


@dataclass(frozen=True)
class _Kept:
    """The content of the file beside the results."""

    identity: Mapping[str, Any]
    placed: Mapping[str, Sequence[int]]
    points: Sequence[ResumePoint]

    def placed_now(self, outputs: Mapping[str, Path]) -> list[str]:
        """Names of the results that are in their places as this run left them, and that nobody changed."""
        return [name for name, path in outputs.items() if list(self.placed.get(name, ())) == _look(path)]


def resume_file(
    outputs: Mapping[str, str | Path],
    source: str | int | Path,
    frames: tuple[int, int | None],
    targets: Sequence[Target],
    settings: Mapping[str, Any] | None,
) -> ResumeFile | None:
    """Return the file beside the results of a run, or None if the run cannot be continued.

    That needs a source that is a file or a folder, and plain values (`settings`) that tell the tracker from others.
    `frames` holds the numbers of the first frame and after the last one.
    """
    paths, place, source = {name: Path(path) for name, path in outputs.items()}, resume_path(outputs), Path(str(source))
    if settings is None or place is None or not (source.is_file() or source.is_dir()):
        return None
    identity = {
        "source": source_facts(source),
        "frames": list(frames),
        "targets": [[target.id, list(target.box), target.start, target.stop] for target in targets],
        "outputs": {name: str(real_path(path)) for name, path in paths.items()},
        "settings": dict(settings),
    }
    return ResumeFile(place, paths, json.loads(json.dumps(identity)))


def interrupted(outputs: Mapping[str, Path]) -> set[str]:
    """Return the names of results in their places that an interrupted run may continue."""
    record = _read(resume_path(outputs))
    return set(record.placed_now(outputs)) if record else set()


def _read(path: Path | None) -> _Kept | None:
    """Read the file beside some results. None if it is missing or cannot be used."""
    try:
        if path is None or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file}
        said = json.loads(str(arrays.pop("said")))
        if said["format"] != _FORMAT:
            return None
        points = [_point(place, plain, arrays) for place, plain in enumerate(said["points"])]
        return _Kept(said["identity"], said["placed"], points)
    except Exception as error:  # zipfile, numpy and json raise many kinds; all mean that it is of no use
        log.warning("%s is damaged and is not used: %s", path, error)
        return None


def _point(place: int, plain: dict[str, Any], arrays: Mapping[str, Any]) -> ResumePoint:
    following, present, waiting = plain["targets"]
    states = {}
    for id, _ in present:
        start = f"{place} {id} "
        own = {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
        states[id] = TrackState.from_arrays(own, "the state")
    read: dict[str, Any] = {
        "targets": Snapshot(following, dict(present), tuple(waiting), states),
        "recent": [{id: _result(result) for id, result in results} for results in plain["recent"]],
        "absences": {id: tuple((a, b) for a, b in spans) for id, spans in plain["absences"]},
        **{name: tuple(plain[name]) for name in ("scores", "skipped", "size")},
    }
    return ResumePoint(**plain | read)


def _result(plain: dict[str, Any]) -> TrackResult:
    crop = plain.pop("crop_box")
    return TrackResult(Box(*plain.pop("box")), crop_box=None if crop is None else tuple(crop), **plain)


def _look(path: Path) -> list[int] | None:
    """Return what changes when somebody changes a result."""
    with suppress(OSError):
        look = path.stat()
        return [look.st_size, look.st_mtime_ns]
    return None


def _with_number(path: Path, mark: Mark) -> Mark:
    """Return a mark with the number that a file keeps wherever it is, so that no other draft is taken for it."""
    part = partial_path(path)
    return {**mark, "file": part.stat().st_ino} if part.is_file() else mark


def _reaches(path: Path, mark: Mark) -> bool:
    """Tell whether an interrupted result holds what it held at a mark."""
    part = draft_of(path)
    if part.is_dir():
        count = mark["count"]
        return not count or (part / f"{count - 1:08d}.png").is_file()
    if not part.is_file() or part.stat().st_ino != mark.get("file"):
        return False
    if "count" not in mark:  # text
        return bool(part.stat().st_size >= mark["size"])
    format = require_video(path)
    return format is not None and format.continued and frames_in(part) >= mark["count"]
