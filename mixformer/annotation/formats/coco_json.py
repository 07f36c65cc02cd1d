"""Write and read COCO with videos and tracks: one JSON file, with the keys of MMTracking and TAO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mixformer.annotation.formats.contents import ExportContents, box_of, label_of, project_of_tracks
from mixformer.annotation.project import AnnotatedVideo, AnnotationProject
from mixformer.data.importers.coco_vid import coco_tracks
from mixformer.errors import DataError

PICTURE = "frame_{:06d}.jpg"
"""Name of the picture of a frame."""


def write_coco(contents: ExportContents) -> dict[str, str]:
    """Write the JSON file to the path that datumaro expects. Absent targets have no annotation; ids start at 1."""
    video, numbers = contents.video, {label: number for number, label in enumerate(contents.labels, 1)}
    size = {"width": video.width, "height": video.height}
    frames = {frame: place for place, frame in enumerate(contents.frames, 1)}
    things: list[dict[str, Any]] = []
    for frame, shown in contents.by_frame.items():
        for target, box in shown:
            x, y, w, h = (round(value, 2) for value in box_of(box))
            facts = {"track_id": target.id, "keyframe": True, "occluded": box.occluded, "outside": False}
            things.append(
                {
                    "id": len(things) + 1, "image_id": frames[frame], "video_id": 1,
                    "category_id": numbers[label_of(target)], "instance_id": target.id,
                    "track_id": target.id, "bbox": [x, y, w, h], "area": round(w * h, 2),
                    "iscrowd": 0, "segmentation": [], "attributes": {**target.attributes, **facts},
                }
            )  # fmt: skip
    content = {
        "videos": [{"id": 1, "name": contents.name, **size, "neg_category_ids": [], "not_exhaustive_category_ids": []}],
        "images": [
            {"id": id, "video_id": 1, "frame_id": n, "frame_index": n, "file_name": PICTURE.format(n), **size}
            for n, id in frames.items()
        ],
        "tracks": [
            {"id": target.id, "category_id": numbers[label_of(target)], "video_id": 1} for target in contents.targets
        ],
        "annotations": things,
        "categories": [{"id": number, "name": label} for label, number in numbers.items()],
    }
    return {"annotations/instances_train.json": json.dumps(content, ensure_ascii=False) + "\n"}


def read_coco_project(source: Path, video: AnnotatedVideo) -> AnnotationProject:
    """Read the instances of a file, or of the only file in `annotations/` of a folder."""
    if source.is_dir():
        found = sorted([*source.glob("annotations/*.json"), *source.glob("*.json")])
        if len(found) != 1:
            raise DataError(f"{source} holds {len(found)} files annotations/*.json; name one of them")
        source = found[0]
    return project_of_tracks(coco_tracks(source, (video.width, video.height)), video, source)
