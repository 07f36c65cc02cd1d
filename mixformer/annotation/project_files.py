"""Read and write a project as one JSON file, NAME.mixformer.json.

{"format": "mixformer annotation", "version": 2, "revision": 3,
 "video": {"path": "clip.mp4", "width": 640, "height": 360, "frame_count": 53, "fps": 25.0,
               "size": 123456, "head": "9f86..."},
 "targets": [{"id": 1, "label": "person", "color": "#56b4e9", "attributes": {},
              "keys": [[0, [260, 29, 41, 142]], [30, null], [40, [300, 30, 40, 140], "occluded"]],
              "tracked": "eAFjYGBg..."}]}

`tracked_rows.py` shows how to read the tracked boxes. A target whose tracking was stopped on the way back between two
key boxes has "unjoined" boxes too. In version 1 tracked boxes are numbers:
"tracked": [{"start": 1, "way": "forward", "rows": [[261.5, 29, 41, 142, 0.93], ...]}].
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixformer.annotation.edits import add_target, beside_keys
from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject, KeyBox
from mixformer.annotation.project_checks import check_frame, check_project, check_text, tracked_rows_of
from mixformer.annotation.tracked_rows import WAYS, TrackedRows
from mixformer.errors import BoxError, ConfigError, DataError, MixFormerError, shown
from mixformer.files import parse_json, read_json_file, write_text
from mixformer.files.places import remove_files

ENDING = ".mixformer.json"
"""End of the name of a project's file."""
_FORMAT, _VERSION = "mixformer annotation", 2
_LARGEST = 512 * 2**20  # bytes; an hour of one target has 1 MB
_LONGEST_HEAD = 1000  # bytes of the first line of a journal
_MOST_FRAMES, _MOST_PIXELS = 10**9, 10**6


def save_project(project: AnnotationProject, path: str | Path, revision: int | None = None) -> None:
    """Write a project completely or not at all.

    Args:
        project: the project.
        path: NAME.mixformer.json.
        revision: number of this state of the file; None takes one that no journal beside it belongs to.

    Raises:
        OutputError: if it cannot be written.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, load_project, save_project
        >>> project = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> save_project(project, "clip.mixformer.json")
        >>> load_project("clip.mixformer.json") == project
        True
    """
    check_project(project)
    write_text(Path(path), project_text(project, _free_revision(Path(path)) if revision is None else revision))


def journal_of(path: Path) -> Path:
    """Return the path of the journal beside a project's file."""
    return path.with_name(f"{path.name}.journal")


def undo_of(path: Path) -> Path:
    """Return the path of the edits beside a project's file that can be undone."""
    return path.with_name(f"{path.name}.undo")


def remove_project(path: Path) -> None:
    """Remove a project's file and those beside it, as far as they are there."""
    remove_files(path, journal_of(path), undo_of(path))


def _free_revision(path: Path) -> int:
    """Return a number of a state that no file of edits beside a project is about, so that none is repeated on it."""
    taken = [-1]
    for beside in (journal_of(path), undo_of(path)):
        with suppress(OSError, MixFormerError, LookupError, TypeError, ValueError), beside.open("rb") as file:
            taken.append(
                int(parse_json(file.readline(_LONGEST_HEAD).decode("utf-8", "replace"), str(beside))["revision"])
            )
    return max(taken) + 1


def load_revision(path: str | Path) -> tuple[AnnotationProject, int]:
    """Read a project as it was saved, without the edits of a journal, and the number of this state."""
    return project_of(read_json_file(path, DataError, _LARGEST), path)


def project_of(content: object, path: str | Path) -> tuple[AnnotationProject, int]:
    """Read a project from the JSON of a file. Raises DataError if it is no project, or damaged."""
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise DataError(f"{path} is no project of mixformer; projects are files NAME{ENDING}")
    if content.get("version") not in (1, _VERSION):
        raise DataError(
            f"{path} is of version {shown(content.get('version'), 40)}, but this mixformer reads {_VERSION}; install "
            "a later one"
        )
    try:
        revision = content.get("revision", 0)
        if type(revision) is not int:
            raise ConfigError(f"the revision is {shown(revision, 40)}")
        project = AnnotationProject(_video(content["video"]))
        for fields in content["targets"]:
            project = with_fields(project, fields)
    except (BoxError, ConfigError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is damaged: {reason[:300]}; use an undamaged copy") from error
    return project, revision


def project_text(project: AnnotationProject, revision: int = 0) -> str:
    """Return the content of a project's file, with a line for each target."""
    targets = ",\n".join(_json(fields_of(target)) for target in project.targets)
    head = {"format": _FORMAT, "version": _VERSION, "revision": revision, "video": vars(project.video)}
    return f'{_json(head)[:-1]},\n"targets":[\n{targets}\n]}}\n'


def fields_of(target: AnnotatedTarget) -> dict[str, Any]:
    """Return a target as in a file."""
    fields = {name: getattr(target, name) for name in ("id", "label", "color")}
    keys = [_key_row(key) for key in target.keys]
    packed = {"tracked": target.tracked.packed()}
    if len(target.unjoined):
        packed["unjoined"] = target.unjoined.packed()
    return {**fields, "attributes": dict(target.attributes), "keys": keys, **packed}


def _key_row(key: KeyBox) -> list[Any]:
    box = None if key.box is None else [int(v) if float(v).is_integer() else v for v in key.box]
    return [key.frame, box, *(["occluded"] if key.occluded else [])]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _video(fields: Mapping[str, Any]) -> AnnotatedVideo:
    counts = [fields["width"], fields["height"], fields["frame_count"], fields.get("size", 0)]
    limits = (_MOST_PIXELS, _MOST_PIXELS, _MOST_FRAMES, 2**63)
    if not all(type(v) is int and 0 <= v < most for v, most in zip(counts, limits, strict=True)):
        raise ConfigError(f"the numbers of its video are {shown(counts, 80)}")
    fps = fields.get("fps")
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e6):
        raise ConfigError(f"its frames per second are {shown(fps, 40)}")
    if not isinstance(fields["path"], str) or not 0 < len(fields["path"]) < 5000 or "\0" in fields["path"]:
        raise ConfigError(f"the path of its video is {shown(fields['path'], 60)}")
    head = check_text(fields.get("head", ""), "the head of a video")
    width, height, count, size = counts
    return AnnotatedVideo(fields["path"], width, height, count, fps, size, head)


def with_fields(project: AnnotationProject, fields: Mapping[str, Any]) -> AnnotationProject:
    """Add a target of a file to a project."""
    id, keys, tracked = fields["id"], [_key(row) for row in fields["keys"]], fields["tracked"]
    project = add_target(project, id, fields["label"], fields["color"], fields["attributes"], keys)
    packed, count = isinstance(tracked, str), project.video.frame_count
    rows = TrackedRows.unpacked(tracked, count) if packed else _first_version(tracked, project.video)
    unjoined = TrackedRows.unpacked(fields["unjoined"], count) if "unjoined" in fields else TrackedRows()
    target = project.target(id)
    return project.with_target(
        replace(target, tracked=beside_keys(target, rows), unjoined=beside_keys(target, unjoined))
    )


def _first_version(tracked: Any, video: AnnotatedVideo) -> TrackedRows:
    runs = [(run["start"], run["way"], tracked_rows_of(run["rows"])) for run in tracked]
    for start, way, rows in runs:
        if way not in WAYS:
            raise ConfigError(f"a stretch is tracked the way {shown(way, 40)}")
        check_frame(start + max(len(rows), 1) - 1, video)
        check_frame(start, video)
    return TrackedRows.of(runs)


def _key(row: Any) -> KeyBox:
    frame, box, *more = row
    if more not in ([], ["occluded"]):
        raise ConfigError(f"a key box is {shown(row, 80)}")
    return KeyBox(frame, box, bool(more))
