"""Write and read folders of pictures and boxes, one for each target, which training and `mixformer data` read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mixformer.annotation.formats.contents import ExportContents, project_of_tracks
from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject
from mixformer.data.annotated_folders import read_boxes
from mixformer.data.importers.tracks import FileTrack, whole_number
from mixformer.errors import DataError, counted
from mixformer.files import read_json_file
from mixformer.run.absences import frame_spans


def write_training(contents: ExportContents) -> dict[str, str]:
    """Write NAME_ID/groundtruth.txt with a line for each picture (`nan` without a visible target), and target.json."""
    files = {}
    for target in contents.targets:
        boxes = contents.span(target)
        absent = (float("nan"),) * 4
        rows = [",".join(f"{v:.8g}" for v in (each.visible and each.box) or absent) for each in boxes]
        facts = {"id": target.id, "label": target.label, "attributes": dict(target.attributes)}
        frames = frame_spans([each.frame for each in boxes])
        partly = frame_spans([each.frame for each in boxes if each.occluded and each.visible])
        folder = _folder(contents, target)
        files[f"{folder}/groundtruth.txt"] = "".join(f"{row}\n" for row in rows)
        files[f"{folder}/target.json"] = json.dumps({**facts, "frames": frames, "occluded": partly}) + "\n"
    return files


def training_pictures(contents: ExportContents) -> dict[int, list[str]]:
    """Return the paths of the pictures of each frame."""
    places: dict[int, list[str]] = {}
    for target in contents.targets:
        for number, box in enumerate(contents.span(target), 1):
            places.setdefault(box.frame, []).append(f"{_folder(contents, target)}/img/{number:08d}.jpg")
    return places


def read_training_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read folders with groundtruth.txt. Without target.json, the first line belongs to frame 0."""
    truths = sorted([*source.glob("groundtruth.txt"), *source.glob("*/groundtruth.txt")])
    if not truths:
        raise DataError(f"{source} holds no NAME/groundtruth.txt")
    return project_of_tracks([_track(number, truth) for number, truth in enumerate(truths, 1)], video, source)


def _folder(contents: ExportContents, target: AnnotatedTarget) -> str:
    return f"{contents.stem}_{target.id}"


def _track(number: int, truth: Path) -> FileTrack:
    rows, beside = read_boxes(truth).tolist(), truth.with_name("target.json")
    facts: dict[str, Any] = read_json_file(beside) if beside.is_file() else {}
    try:
        frames = _frames(facts.get("frames", [[0, len(rows)]]), len(rows))
        partly = frozenset(_frames(facts.get("occluded", []), len(rows)))
        id = whole_number(facts.get("id", number), "an id")
        label, attributes = str(facts.get("label", "")), dict(facts.get("attributes", {}))
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{beside} is damaged: {error}; write it again, or remove it") from error
    if len(frames) != len(rows):
        lines, listed = counted(len(rows), "line"), counted(len(frames), "frame")
        raise DataError(f"{truth} has {lines}, and target.json beside it {listed}")
    boxes = {frame: None if row[0] != row[0] else tuple(row) for frame, row in zip(frames, rows, strict=True)}
    return FileTrack(id, boxes, label, attributes, partly)


def _frames(ranges: Any, most: int) -> list[int]:
    found: list[int] = []
    for first, stop in ranges:
        first, stop = whole_number(first, "a frame"), whole_number(stop, "a frame")
        if stop - first > most:
            raise ValueError(f"there are {most} lines, and frames {first} to {stop - 1}")
        found += range(first, stop)
    return found
