"""Write and read Ultralytics' folder for detection: a text file for each picture, and data.yaml."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from mixformer.annotation.formats.contents import ExportContents, box_of, frame_of, label_of, linked, project_of_tracks
from mixformer.annotation.project import AnnotatedVideo, AnnotationProject
from mixformer.errors import DataError, shown
from mixformer.files import read_text_file
from mixformer.optional import load
from mixformer.types import Box

PICTURE = "images/train/frame_{:06d}.jpg"
"""Path of the picture of a frame."""


def write_yolo(contents: ExportContents) -> dict[str, str]:
    """Write five columns: class, center and size as fractions of the picture. Boxes are cut at its border."""
    numbers = {label: number for number, label in enumerate(contents.labels)}
    names = "".join(f"  {number}: {json.dumps(label, ensure_ascii=False)}\n" for label, number in numbers.items())
    files = {"data.yaml": f"path: .\ntrain: images/train\nval: images/train\nnames:\n{names}"}
    for frame, things in contents.by_frame.items():
        lines = sorted(_line(numbers[label_of(target)], box_of(box), contents.video) for target, box in things)
        files[f"labels/train/frame_{frame:06d}.txt"] = "".join(lines)
    return files


def _line(kind: int, box: Box, video: AnnotatedVideo) -> str:
    left, top, right, bottom = box.xyxy
    left, right = (min(max(value, 0.0), video.width) / video.width for value in (left, right))
    top, bottom = (min(max(value, 0.0), video.height) / video.height for value in (top, bottom))
    if right <= left or bottom <= top:
        return ""
    return f"{kind} {(left + right) / 2:.8f} {(top + bottom) / 2:.8f} {right - left:.8f} {bottom - top:.8f}\n"


def read_yolo_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read a folder with data.yaml and labels/.

    The format has no tracks: boxes of one class that overlap from frame to frame become one, in the order of classes.
    """
    names, most = _names(source / "data.yaml")
    frames: dict[int, list[tuple[str, Box]]] = defaultdict(list)
    files = sorted((source / "labels").rglob("*.txt"))
    for file in files:
        lines = [line for line in read_text_file(file).splitlines() if line.strip()]
        if any(len(line.split()) > most for line in lines):
            raise DataError(f"{file} holds outlines or points, and no boxes; export boxes (detection)")
        frames[frame_of(file)] += [_thing(line, names, video, file) for line in lines]
    if not files:
        raise DataError(f"{source} holds no labels/*.txt")
    return project_of_tracks(linked(frames, source, list(names.values())), video, source)


def _thing(line: str, names: dict[int, str], video: AnnotatedVideo, file: Path) -> tuple[str, Box]:
    try:
        kind, x, y, w, h = (float(value) for value in line.split()[:5])
        label = names[int(kind)]
    except (ValueError, KeyError, OverflowError) as error:
        raise DataError(f"{file}: {shown(line, 80)} is not class, x, y, width, height of a box: {error}") from error
    width, height = video.width, video.height
    box = Box((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    return label, Box(*(round(value, 2) for value in box))


def _names(path: Path) -> tuple[dict[int, str], int]:
    """Return the names of classes, and the largest number of values in a line: box, score, and points if any."""
    yaml: Any = load("yaml", "reading data.yaml")
    text = read_text_file(path, limit=2**20)
    try:
        content = yaml.safe_load(text)
        found, points = content["names"], content.get("kpt_shape") or (0, 0)
        pairs = found.items() if isinstance(found, dict) else enumerate(found)
        return {int(number): str(name) for number, name in pairs}, 6 + int(points[0]) * int(points[1])
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} names no classes: {str(error)[:200]}") from error
