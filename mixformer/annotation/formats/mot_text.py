"""Write and read MOT ground truth, with pixels from 1 (MOTChallenge) or from 0 (CVAT and datumaro)."""

from __future__ import annotations

from pathlib import Path

from mixformer.annotation.formats.contents import ExportContents, box_of, label_of, project_of_tracks
from mixformer.annotation.project import AnnotatedVideo, AnnotationProject
from mixformer.data.importers.mot import mot_tracks, mot_truths
from mixformer.errors import DataError

_PARTLY = 0.5  # the visibility of an occluded target; 0 would mean that it is invisible


def write_mot(contents: ExportContents, first_pixel: int = 1) -> dict[str, str]:
    """Write gt.txt with class and visibility, the names of the classes, and seqinfo.ini."""
    numbers = {label: number for number, label in enumerate(contents.labels, 1)}
    lines = []
    for frame, shown in contents.by_frame.items():
        for target, box in shown:
            x, y, w, h = box_of(box)
            sides = f"{x + first_pixel:.2f},{y + first_pixel:.2f},{w:.2f},{h:.2f}"
            seen = _PARTLY if box.occluded else 1.0
            lines.append(f"{frame + 1},{target.id},{sides},1,{numbers[label_of(target)]},{seen}\n")
    video = contents.video
    info = (
        f"[Sequence]\nname={contents.stem.lower()}\nimDir=img1\nframeRate={max(1, round(video.fps or 25))}\n"
        f"seqLength={video.frame_count}\nimWidth={video.width}\nimHeight={video.height}\nimExt=.jpg\n"
    )
    return {
        "gt/gt.txt": "".join(lines),
        "gt/labels.txt": "".join(f"{label}\n" for label in contents.labels),
        "seqinfo.ini": info,
    }


def read_mot_project(source: Path, video: AnnotatedVideo, first_pixel: int = 1) -> AnnotationProject:
    """Read a sequence folder, or gt.txt itself."""
    truths = [source] if source.is_file() else mot_truths(source)
    if len(truths) > 1:
        raise DataError(f"{source} holds {len(truths)} sequences; a project has one video, so name one of them")
    return project_of_tracks(mot_tracks(truths[0], first_pixel), video, source)
