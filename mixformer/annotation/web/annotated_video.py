"""Write a video with the boxes of a project drawn on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage, ImageDraw

from mixformer.annotation.project import AnnotatedTarget, AnnotationProject, FrameBox
from mixformer.types import Image
from mixformer.video import open_video, open_writer
from mixformer.video.draw import label_font


def write_annotated(project: AnnotationProject, video: Path, path: Path, progress: Callable[[int, int], bool]) -> None:
    """Write the video with all visible boxes, in the colors of their targets. The ending of `path` chooses its kind.

    `progress` gets the numbers of finished and of all frames; if it returns False, the video ends early. Raises
    SourceError if the video cannot be read, and OutputError if the new one cannot be written.
    """
    sound = None if video.is_dir() else video
    with open_video(video) as frames, open_writer(path, frames.fps, sound, overwrite=True) as writer:
        for frame in frames:
            found = [(target, target.box_at(frame.index)) for target in project.targets]
            writer.write(draw_targets(frame.image, [pair for pair in found if pair[1].visible]), frame.time)
            if not progress(frame.index + 1, project.video.frame_count):
                break


def draw_targets(image: Image, found: list[tuple[AnnotatedTarget, FrameBox]]) -> Image:
    """Return a copy of an RGB image with boxes, numbers and labels. Interpolated boxes have thinner lines."""
    picture = PillowImage.fromarray(image)
    pen = ImageDraw.Draw(picture)
    width = max(2, round(min(picture.size) / 240))
    font = label_font(max(11, round(picture.height / 32)))
    for target, place in found:
        if place.box is None:
            continue
        left, top, right, bottom = place.box.xyxy
        pen.rectangle(
            (left, top, max(left, right), max(top, bottom)),
            outline=target.color,
            width=width if place.origin != "interpolated" else 1,
        )
        text = f"{target.id} {target.label}".strip()
        _, _, wide, high = pen.textbbox((0, 0), text, font=font)
        y = top - high - 4 if top >= high + 4 else bottom
        pen.rectangle((left, y, left + wide + 8, y + high + 4), fill=target.color)
        pen.text((left + 4, y + 1), text, fill=(0, 0, 0), font=font)
    return np.asarray(picture)
