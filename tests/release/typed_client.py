"""A program of somebody else, checked by `mypy --strict`: it shows that the public types say what they should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mixformer import (
    Box,
    MultiTracker,
    Runtime,
    Tracker,
    TrackResult,
    evaluate,
    list_models,
    open_video,
    track,
    track_video,
)
from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, load_project, save_project, set_key
from mixformer.errors import MixFormerError
from mixformer.evaluation import EvaluationResult
from mixformer.run import VideoSummary
from mixformer.types import Image
from mixformer.video import Target


def follow(clip: Path, box: Box) -> Iterator[tuple[int, float, str]]:
    """Index, left side and status of each frame."""
    tracker = Tracker(runtime=Runtime(device="cpu", threads=2))
    with open_video(clip) as video:
        for frame in video:
            image: Image = frame.image
            result: TrackResult = tracker.init(image, box) if frame.index == 0 else tracker.update(image)
            score: float | None = result.score
            if score is not None and score > 0.5:
                yield frame.index, result.box.x, result.status


def in_one_call(clip: str) -> list[Box]:
    return [result.box for result in track(clip, (260, 29, 41, 142))]


def to_files(clip: str, out: Path) -> int:
    summary: VideoSummary = track_video(clip, [Target(1, Box(260, 29, 41, 142))], {"json": out})
    return summary.frames


def several(image: Image) -> dict[object, TrackResult]:
    tracker = MultiTracker()
    tracker.add(image, Box(10, 10, 20, 20))
    return dict(tracker.update(image))


def measure(root: str) -> float:
    result: EvaluationResult = evaluate("mixformerv2_dino_s8", "lasot", root=root)
    return result.summary["auc"]


def annotate(path: Path) -> AnnotationProject:
    project = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
    project = set_key(add_target(project, 1, "person"), 1, 0, Box(1, 2, 30, 40))
    try:
        save_project(project, path)
    except MixFormerError as error:
        raise SystemExit(str(error)) from error
    return load_project(path)


def names() -> list[str]:
    return [model.name for model in list_models()]


def blank() -> Image:
    return np.zeros((90, 160, 3), np.uint8)
