"""Write and read Label Studio's video object tracking: a task in JSON, and its labeling configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from mixformer.annotation.edits import add_target
from mixformer.annotation.formats.contents import ExportContents, box_of, label_of, project_of_tracks, put_rows
from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject
from mixformer.annotation.project_checks import HIGHEST_ID
from mixformer.annotation.tracked_rows import TrackedBox
from mixformer.data.importers.tracks import FileTrack, FrameBoxes, whole_number
from mixformer.errors import DataError, malformed_as_data_error
from mixformer.files import LARGEST_ANNOTATION, read_json_file

_MODEL = "mixformer"
_RATE = 25.0  # frames per second of a video without this value


def write_label_studio(contents: ExportContents) -> dict[str, str]:
    """Write the task, and the labeling configuration to paste into a project's settings.

    An item with `enabled` false ends the box after its frame.
    """
    return _files(contents, {"annotations": [{"result": [_result(contents, each) for each in contents.targets]}]})


def write_predictions(contents: ExportContents) -> dict[str, str]:
    """Write the same as a prediction, which a person reviews in Label Studio.

    The score of a target is the mean over its boxes; a person's box has the score 1.
    """
    results = [
        {**_result(contents, target, persons=False), "score": _score(contents, target)} for target in contents.targets
    ]
    score = round(fmean(result["score"] for result in results), 3) if results else 0.0
    return _files(contents, {"predictions": [{"model_version": _MODEL, "score": score, "result": results}]})


def _score(contents: ExportContents, target: AnnotatedTarget) -> float:
    return round(fmean(1.0 if box.score is None else box.score for box in contents.visible(target)), 3)


def _files(contents: ExportContents, results: dict[str, Any]) -> dict[str, str]:
    task = [{"data": {"video": f"/data/local-files/?d={quote(contents.name)}"}, **results}]
    labels = "".join(f"    <Label value={quoteattr(label)}/>\n" for label in contents.labels)
    config = (
        f'<View>\n  <Labels name="videoLabels" toName="video" allowEmpty="true">\n{labels}  </Labels>\n'
        f'  <Video name="video" value="$video" framerate="{contents.video.fps or _RATE:g}"/>\n'
        '  <VideoRectangle name="box" toName="video"/>\n</View>\n'
    )
    return {"tasks.json": json.dumps(task, ensure_ascii=False) + "\n", "labeling-config.xml": config}


def _result(contents: ExportContents, target: AnnotatedTarget, persons: bool = True) -> dict[str, Any]:
    video, rate = contents.video, contents.video.fps or _RATE
    items = []
    for run in contents.key_rows(target, persons):
        for shown in run:
            x, y, w, h = box_of(shown)
            items.append(
                {
                    "frame": shown.frame + 1, "time": round((shown.frame + 1) / rate, 6),
                    "enabled": shown is not run[-1],
                    "x": round(100 * x / video.width, 6), "y": round(100 * y / video.height, 6),
                    "width": round(100 * w / video.width, 6), "height": round(100 * h / video.height, 6), "rotation": 0,
                }
            )  # fmt: skip
    value = {
        "framesCount": video.frame_count,
        "duration": round(video.frame_count / rate, 6),
        "labels": [label_of(target)],
        "sequence": items,
    }
    names = {"type": "videorectangle", "from_name": "box", "to_name": "video", "origin": "manual"}
    return {"id": f"t{target.id}", **names, "value": value}


def read_label_studio_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read a task, an export with one task, or tasks.json in a folder. Without annotations, read its predictions."""
    tracks, _ = _read(source, video, ("annotations", "predictions"))
    return project_of_tracks(tracks, video, source)


def read_predictions_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read the predictions of a task, else its annotations, as tracked boxes with the score of their target."""
    tracks, scores = _read(source, video, ("predictions", "annotations"))
    project = AnnotationProject(video)
    for target, score in zip(project_of_tracks(tracks, video, source).targets, scores, strict=True):
        project = add_target(project, target.id, target.label)
        seen = [box for box in target.boxes(0, video.frame_count) if box.visible]
        project = put_rows(project, target.id, [(box.frame, TrackedBox(box_of(box), score)) for box in seen])
    return project


def _read(source: Path, video: AnnotatedVideo, lists: tuple[str, str]) -> tuple[list[FileTrack], list[float | None]]:
    """Read tracks in the order of ids, and their scores, from the first of two lists that holds any."""
    file = source / "tasks.json" if source.is_dir() else source
    content = read_json_file(file, DataError, LARGEST_ANNOTATION)
    with malformed_as_data_error(f"{file} is no video task of Label Studio"):
        tasks = content if isinstance(content, list) else [content]
        if len(tasks) != 1:
            raise DataError(f"{file} holds {len(tasks)} tasks; a project has one video, so export one task")
        whole = (tasks[0].get(lists[0]) or tasks[0].get(lists[1]) or [{}])[0]
        drawn = whole.get("result", [])
        found = [each for each in drawn if each.get("type") == "videorectangle"]
        ids = _ids([str(each["id"]) for each in found])
        tracks = [_track(id, each["value"], video) for id, each in zip(ids, found, strict=True)]
        given = [each.get("score", whole.get("score")) for each in found]
        scores = {id: None if each is None else _valid_score(each) for id, each in zip(ids, given, strict=True)}
    return tracks, [scores[id] for id in sorted(scores)]


def _valid_score(value: Any) -> float:
    score = float(value)
    if not 0 <= score <= 1:
        raise ValueError(f"{value!r} is no score from 0 to 1")
    return score


def _ids(names: list[str]) -> list[int]:
    """Return the numbers in names of this package (t1, t2). Number other names from 1."""
    ours = all(re.fullmatch("t[1-9][0-9]{0,9}", name) and int(name[1:]) <= HIGHEST_ID for name in names)
    return [int(name[1:]) for name in names] if ours and len({*names}) == len(names) else [*range(1, len(names) + 1)]


def _track(id: int, value: dict[str, Any], video: AnnotatedVideo) -> FileTrack:
    items = sorted(_items(value["sequence"], video))
    boxes: FrameBoxes = {}
    for number, (frame, enabled, box) in enumerate(items):
        boxes[frame] = box
        follows = number + 1 < len(items) and items[number + 1][0] == frame + 1
        if not enabled and not follows and frame + 1 < video.frame_count:
            boxes[frame + 1] = None
    labels = value.get("labels") or [""]
    return FileTrack(id, boxes, str(labels[0]), sparse=True)


def _items(sequence: list[dict[str, Any]], video: AnnotatedVideo) -> Iterator[tuple[int, bool, tuple[float, ...]]]:
    sizes = {"x": video.width, "y": video.height, "width": video.width, "height": video.height}
    for item in sequence:
        sides = tuple(float(item[name]) * size / 100 for name, size in sizes.items())
        yield whole_number(item["frame"], "a frame") - 1, item.get("enabled", True) is not False, sides
