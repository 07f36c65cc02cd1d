"""Read key boxes from a file of targets (docs/many.md), in which a target may have several lines."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixformer.annotation.edits import add_target, with_keys
from mixformer.annotation.project import AnnotatedVideo, AnnotationProject, KeyBox
from mixformer.annotation.project_checks import check_key
from mixformer.errors import BoxError, first_few, shown
from mixformer.video.targets import MOST_TARGETS, Target, in_line, target_rows, whole

log = logging.getLogger(__name__)

_COLUMNS = ("frame", "id", "label", "x", "y", "w", "h", "box", "occluded", "stop", "origin", "status", "score", "time")
_YES, _NO = ("1", "1.0", "true", "yes"), ("", "0", "0.0", "false", "no")


def read_keys(path: str | Path, video: AnnotatedVideo, start: int = 0, label: str = "") -> AnnotationProject:
    """Make a project of a file of key boxes.

    Lines are as in a file of targets: `frame,id,x,y,w,h`, or with the names of the columns in the first line, or JSON.
    Several lines of one id correct its track. A line without a box (empty fields, or `null`) means that the target is
    absent from there on, and a column `stop` means the same from the frame that it names. Further columns are `label`
    and `occluded` (1: partly hidden). Lines without an id belong to target 1. Lines whose `origin` is "tracker" or
    "interpolated", as in our own exports, or whose `status` is "lost" are left out. Columns of other names have no
    effect, and a warning names them.

    Args:
        path: the file.
        video: the video.
        start: frame of lines without a frame.
        label: class of targets without a label.

    Raises:
        BoxError: if the file cannot be read, or a line is no key box; the message names file and line.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.annotation import AnnotatedVideo, read_keys
        >>> _ = Path("keys.csv").write_text("frame,id,x,y,w,h\\n0,1,260,29,41,142\\n30,1,280,30,41,140\\n40,1,,,,\\n")
        >>> project = read_keys("keys.csv", AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> [(key.frame, key.absent) for key in project.target(1).keys]
        [(0, False), (30, False), (40, True)]
    """
    rows = _by_target(Path(path))
    if not rows:
        raise BoxError(f"{path} holds no key boxes; a line is frame,id,x,y,w,h")
    project = AnnotationProject(video)
    for id, of_target in sorted(rows.items()):
        project = _add(project, id, _label(id, of_target) or label, of_target[0][0])
        project = _with_rows(project, id, of_target, start)
    return project


def _by_target(path: Path) -> dict[int, list[tuple[str, Mapping[str, Any]]]]:
    """Read the lines of each target that are of a person, and their places. Warn of columns that are not read."""
    given = list(target_rows(path))
    unused = dict.fromkeys(name for _, row in given for name in row if name and name not in _COLUMNS)
    if unused:
        few = ", ".join(first_few(unused))
        log.warning("%s: these columns have no effect: %s; the others are: %s", path, few, ", ".join(_COLUMNS))
    rows: dict[int, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for where, row in given:
        if row.get("origin") in ("tracker", "interpolated") or row.get("status") == "lost":
            continue
        with in_line(where):
            rows[whole(row.get("id"), "id", 1)].append((where, row))
        if len(rows) > MOST_TARGETS:
            raise BoxError(f"{where}: {MOST_TARGETS} targets are before this one already; track fewer at a time")
    return rows


def tracked_before(project: AnnotationProject, old: AnnotationProject) -> AnnotationProject:
    """Give a new project of key boxes the tracked boxes of an old one of the same video, if they still hold.

    Targets keep color and attributes, and their label where the new project names none.
    """
    for target in project.targets:
        if not any(each.id == target.id for each in old.targets):
            continue
        known = old.target(target.id)
        held = with_keys(known, target.keys)
        project = project.with_target(replace(held, label=target.label or known.label))
    return project


def has_corrections(path: str | Path) -> bool:
    """Tell whether a file of targets has several lines of one id, or a line without a box.

    Raises BoxError as `read_keys`.
    """
    rows = [row for _, row in target_rows(Path(path))]
    named = [str(row["id"]) for row in rows if row.get("id") not in (None, "")]
    return len(named) != len(set(named)) or any(_is_empty(row["box"]) for row in rows)


def _is_empty(box: Any) -> bool:
    return box is None or (isinstance(box, list) and all(side in (None, "") for side in box))


def keys_of_targets(targets: list[Target], video: AnnotatedVideo) -> AnnotationProject:
    """Make a project of targets with one box each. They are absent from their last frame on."""
    project = AnnotationProject(video)
    for target in targets:
        project = _add(project, target.id, "", target.where)
        row = {"frame": target.start, "box": target.box, "stop": target.stop}
        project = _with_rows(project, target.id, [(target.where, row)], 0)
    return project


def _label(id: int, of_target: list[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the label of a target's lines, "" if none has one. Raises BoxError if two of them differ."""
    name = ""
    for where, row in of_target:
        given = row.get("label")
        if not isinstance(given, str | int | float | None):
            raise BoxError(f"{where}: a label must be a text, not {shown(given, 60)}")
        found = "" if given is None else str(given).strip()
        if name and found and found != name:
            raise BoxError(
                f"{where}: target {id} is labeled {shown(found, 60)}, and {shown(name, 60)} before; keep one"
            )
        name = name or found
    return name


def _add(project: AnnotationProject, id: int, label: str, where: str) -> AnnotationProject:
    with in_line(where):
        return add_target(project, id, label)


def _with_rows(
    project: AnnotationProject, id: int, rows: list[tuple[str, Mapping[str, Any]]], start: int
) -> AnnotationProject:
    """Give a target the key boxes of its lines, all at once: a copy of the target for each line would take for ever."""
    keys: dict[int, KeyBox] = {}
    for where, row in rows:
        with in_line(where):
            key = _key_of(row, project.video, start)
            if key.frame in keys:
                raise BoxError(f"target {id} has a key box in frame {key.frame} already; keep one of them")
            keys[key.frame] = key
    for where, row in rows:
        with in_line(where):
            stop = _stop_of(row, start)
        if stop < project.video.frame_count and stop not in keys:
            keys[stop] = KeyBox(stop, None)
    ordered = tuple(keys[frame] for frame in sorted(keys))
    return project.with_target(replace(project.target(id), keys=ordered))


def _key_of(row: Mapping[str, Any], video: AnnotatedVideo, start: int) -> KeyBox:
    frame, box = whole(row.get("frame"), "frame", start), None if _is_empty(row["box"]) else row["box"]
    return check_key(KeyBox(frame, box, is_true(row.get("occluded"), "occluded")), video)


def _stop_of(row: Mapping[str, Any], start: int) -> int:
    """Return the frame from which a target is absent, as its line says."""
    frame, stop = (whole(row.get(name), name, other) for name, other in (("frame", start), ("stop", 10**9)))
    if stop <= frame:
        raise BoxError(f"stop is the number after the last frame, so it must be above {frame}, not {stop}")
    return stop


def is_true(value: Any, name: str) -> bool:
    """Read a mark of a file, empty for no. Raises BoxError if it is no mark."""
    word = str("" if value is None else value).strip().lower()
    if word not in _YES + _NO:
        raise BoxError(f"{name} must be 1 for yes, or 0 or empty for no, not {value!r:.40}")
    return word in _YES
