"""Write and read boxes as JSON lines or CSV, one a line, with their origin. Export and import lose nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mixformer.annotation.edits import add_target
from mixformer.annotation.formats.contents import ExportContents, put_rows
from mixformer.annotation.key_files import is_true
from mixformer.annotation.project import AnnotatedVideo, AnnotationProject, KeyBox
from mixformer.annotation.project_checks import check_frame, check_id
from mixformer.annotation.tracked_rows import STATUSES, TrackedBox
from mixformer.data.importers.tracks import whole_number
from mixformer.errors import BoxError, ConfigError, DataError, shown
from mixformer.files import parse_json, read_text_file
from mixformer.imaging.boxes import parse_box
from mixformer.types import Box

COLUMNS = ("frame", "id", "label", "x", "y", "w", "h", "score", "status", "origin", "occluded")
"""Columns of the CSV file; x to h are empty if the target is absent."""
_FACTS = "attributes"  # a further column, of JSON, if a target has any


def write_lines(contents: ExportContents) -> dict[str, str]:
    """Write JSON lines: frame, id, label, box, score, status, origin, occluded; `box` is null for an absent target.

    Lines of targets with attributes have these too.
    """
    return {"boxes.jsonl": "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in _rows(contents))}


def write_table(contents: ExportContents) -> dict[str, str]:
    """Write the same as CSV with a header."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = (*COLUMNS, *([_FACTS] if any(target.attributes for target in contents.project.targets) else ()))
    table.writerow(columns)
    for row in _rows(contents):
        sides = row.pop("box") or [None] * 4
        values = {**row, **dict(zip("xywh", sides, strict=True)), "occluded": int(row["occluded"])}
        values[_FACTS] = json.dumps(row[_FACTS], ensure_ascii=False) if row.get(_FACTS) else None
        table.writerow(["" if values[name] is None else values[name] for name in columns])
    return {"boxes.csv": text.getvalue()}


def _rows(contents: ExportContents) -> Iterator[dict[str, Any]]:
    found = [
        (box.frame, target.id, target, box) for target in contents.project.targets for box in contents.said(target)
    ]
    for frame, id, target, box in sorted(found, key=lambda each: each[:2]):
        if box.box is None and target.key_at(frame) is None:
            continue  # the key box before marks the absence already
        yield {
            "frame": frame,
            "id": id,
            "label": target.label,
            "box": None if box.box is None else [round(value, 2) for value in box.box],
            "score": None if box.score is None else round(box.score, 3),
            "status": box.status,
            "origin": box.origin,
            "occluded": box.occluded,
            **({_FACTS: dict(target.attributes)} if target.attributes else {}),
        }


def read_lines_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read JSON lines, including those of `mixformer track --json`; or the folder of an export."""
    source = source / "boxes.jsonl" if source.is_dir() else source
    lines = (line for line in read_text_file(source).split("\n") if line.strip())
    return _project((parse_json(line, f"{source}, line {n}") for n, line in enumerate(lines, 1)), video, source)


def read_table_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read a CSV file with a header, including that of `mixformer track --csv`; or the folder of an export."""
    source = source / "boxes.csv" if source.is_dir() else source
    try:
        return _project(_table_rows(source), video, source)
    except csv.Error as error:
        raise DataError(f"{source} is no CSV file of boxes: {error}") from error


def _table_rows(source: Path) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(read_text_file(source)))
    names = list(reader.fieldnames or ())
    if len(set(names)) < len(names) or not {"frame", *"xywh"} <= set(names):
        raise DataError(f"{source} does not begin with a line of names: frame, x, y, w, h, each once; or it is no CSV")
    for fields in reader:
        row: dict[str, Any] = {name: None if value in ("", None) else value for name, value in fields.items()}
        row["box"] = None if row["x"] is None else [float(row[side] or "") for side in "xywh"]
        row["score"] = None if row.get("score") is None else float(row["score"] or "")
        row["occluded"] = is_true(row.get("occluded"), "occluded")
        row[_FACTS] = None if row.get(_FACTS) is None else parse_json(row[_FACTS], f"{source}, line {reader.line_num}")
        yield row


def _project(rows: Iterable[Any], video: AnnotatedVideo, source: Path) -> AnnotationProject:
    """Make a project. Lines without an origin come from a tracker that a person gave the first box of each target."""
    keys: dict[int, list[KeyBox]] = {}
    tracked: dict[int, list[tuple[int, TrackedBox]]] = {}
    labels: dict[int, str] = {}
    facts: dict[int, dict[str, str]] = {}
    seen: set[tuple[int, int]] = set()
    project = AnnotationProject(video)
    try:
        for row in rows:
            id, frame = _place(row, video, seen)
            box = None if row["box"] is None else parse_box(row["box"])
            labels.setdefault(id, row.get("label") or "")
            facts.setdefault(id, row.get(_FACTS) or {})
            origin = row.get("origin") or ("tracker" if id in keys else "person")
            if origin == "person":
                keys.setdefault(id, []).append(KeyBox(frame, box, bool(row.get("occluded"))))
            elif origin == "tracker" and box is not None:
                tracked.setdefault(id, []).append((frame, _tracked(row, box)))
        shift = 1 if 0 in labels else 0  # ids of `mixformer track` may start at 0
        for id, label in labels.items():
            project = add_target(project, id + shift, label, None, facts[id], keys.get(id, ()))
            project = put_rows(project, id + shift, tracked.get(id, []))
    except DataError:
        raise
    except (LookupError, TypeError, AttributeError, BoxError, ConfigError, ValueError, OverflowError) as error:
        raise DataError(f"{source} holds no boxes of this video: {str(error)[:300]}") from error
    if not seen:
        raise DataError(f"{source} holds no boxes; give another file")
    return project


def _place(row: dict[str, Any], video: AnnotatedVideo, seen: set[tuple[int, int]]) -> tuple[int, int]:
    """Return the id and the frame of a line, and add them to those of the lines before."""
    given, frame = row.get("id"), whole_number(row["frame"], "a frame")
    id = 1 if given in (None, "") else whole_number(given, "an id")
    if (id and check_id(id), check_frame(frame, video)) in seen:
        raise ConfigError(f"target {id} is there twice in frame {frame}; keep one of them")
    seen.add((id, frame))
    return id, frame


def _tracked(row: dict[str, Any], box: Box) -> TrackedBox:
    score, status = row.get("score"), row.get("status") or "tracking"
    if status not in STATUSES or not (score is None or 0 <= float(score) <= 1):
        given = shown([status, score], 60)
        raise ConfigError(f"a status must be {', '.join(STATUSES)} and a score 0 to 1, not {given}")
    return TrackedBox(box, None if score is None else float(score), status)
