"""Frames of the worst sequences side by side, with the ground truth and the trackers' boxes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage, ImageDraw, ImageFont

from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.evaluation.comparison import Comparison
from mixformer.evaluation.report.figures import COLORS
from mixformer.types import FloatArray, StatusArray

TRUTH = "#F0E442"
"""Color of the ground truth: Okabe and Ito's yellow, which no tracker has."""
_WIDTH, _HEIGHT, _GAP = 192, 144, 4  # pixels
_MOST = 4  # trackers drawn
_ROOM = 3.0  # smallest width and height of a region, in units of the target's
_FAR = 1e5  # pixels; boxes further away are not drawn


@dataclass(frozen=True)
class Strip:
    """Frames of one sequence side by side."""

    sequence: str  # its name
    jpeg: bytes  # the picture
    frames: tuple[int, ...]  # numbers of the frames, from 0
    # Each tracker and its number on the sequence, in the order of the comparison
    values: tuple[tuple[str, float | None], ...]


def drawn_trackers(comparison: Comparison) -> list[str]:
    """Return the names of the trackers whose boxes are drawn, in the order of their colors."""
    return [entry.tracker for entry in comparison.entries[:_MOST]]


def qualitative_strips(comparison: Comparison, sequences: int = 5, frames: int = 6) -> list[Strip]:
    """Make strips of the first tracker's worst sequences; raises DataError if a picture cannot be read."""
    by_name = {sequence.name: sequence for sequence in comparison.sequences}
    return [_strip(comparison, by_name[name], frames) for name in comparison.hardest[:sequences]]


def _strip(comparison: Comparison, sequence: VideoSequence, count: int) -> Strip:
    numbers = pick_frames(sequence, count)
    tracks = [entry.boxes[sequence.name] for entry in comparison.entries[:_MOST]]
    told = comparison.entries[0].statuses.get(sequence.name)
    tiles = [_tile(sequence, number, tracks, frame_label(number, told)) for number in numbers]
    sheet = PillowImage.new(
        "RGB", (len(tiles) * (_WIDTH + _GAP) - _GAP, _HEIGHT), "#7F7F7F"
    )  # gaps that suit a light page and a dark one
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place * (_WIDTH + _GAP), 0))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=88, subsampling=0)  # thin colored lines blur with coarser colors
    metric = comparison.sequence_metric
    values = tuple((entry.tracker, entry.value(sequence.name, metric)) for entry in comparison.entries)
    return Strip(sequence.name, file.getvalue(), tuple(numbers), values)


def pick_frames(sequence: VideoSequence, count: int) -> list[int]:
    """Choose up to `count` frames, spread evenly over the annotated frames from the first to the last."""
    valid = sequence.valid
    places = np.linspace(0, len(valid) - 1, min(count, len(valid))).round().astype(int)
    return [int(valid[place]) for place in places]


def frame_label(number: int, statuses: StatusArray | None) -> str:
    """Return the number of a frame, and the first tracker's status if it is not "tracking", such as "120 lost"."""
    known = statuses is not None and number < len(statuses) and statuses[number] != "tracking"
    return f"{number} {statuses[number]}" if known and statuses is not None else str(number)


def _tile(sequence: VideoSequence, number: int, tracks: Sequence[FloatArray], label: str) -> PillowImage.Image:
    """Draw the region around the ground truth and the first tracker's box, with all boxes, that box on top."""
    picture = PillowImage.fromarray(read_frame(sequence.frames[number]))
    boxes = [sequence.boxes[number], *(track[number] for track in tracks if number < len(track))]
    left, top, width, height = _view(boxes[:2], picture.size)
    scale = _WIDTH / width
    tile = picture.resize((_WIDTH, _HEIGHT), PillowImage.Resampling.BICUBIC, (left, top, left + width, top + height))
    pen = ImageDraw.Draw(tile)
    for place in [0, *range(len(boxes) - 1, 0, -1)]:
        if _drawable(boxes[place]):
            x, y, w, h = ((boxes[place] - (left, top, 0, 0)) * scale).tolist()
            _draw_box(pen, (x, y, x + w, y + h), place)
    pen.rectangle((0, 0, 9 + 7 * len(label), 15), fill="black")
    pen.text((4, 1), label, fill="white", font=ImageFont.load_default(12))
    return tile


def _drawable(box: FloatArray) -> bool:
    return bool(np.isfinite(box).all() and (np.abs(box) < _FAR).all() and (box[2:] >= 0).all())


def _view(boxes: Sequence[FloatArray], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a region with the tile's aspect ratio around the boxes, with a margin."""
    shown = np.array([box for box in boxes if _drawable(box)])
    low, high = shown[:, :2].min(0), (shown[:, :2] + shown[:, 2:]).max(0)
    sides = np.maximum(1.4 * (high - low), _ROOM * shown[0, 2:])
    width = max(sides[0], sides[1] * _WIDTH / _HEIGHT, 32.0)
    width = min(width, size[0], size[1] * _WIDTH / _HEIGHT)
    region = np.array([width, width * _HEIGHT / _WIDTH])
    corner = np.clip((low + high - region) / 2, 0, np.maximum(np.array(size) - region, 0))
    return float(corner[0]), float(corner[1]), float(region[0]), float(region[1])


def _draw_box(pen: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], place: int) -> None:
    """Draw the ground truth (place 0) as a wide outline, a tracker's box as a narrow one, both with a dark border."""
    x1, y1, x2, y2 = corners
    color, width = (TRUTH, 3) if place == 0 else (COLORS[place - 1], 2)
    out = width + 1 if place == 0 else 1
    pen.rectangle((x1 - out, y1 - out, x2 + out, y2 + out), outline="black")
    out -= 1
    pen.rectangle((x1 - out, y1 - out, x2 + out, y2 + out), outline=color, width=width)
