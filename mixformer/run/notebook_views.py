"""Tracked videos in a notebook: pictures, the video itself, and a line of scores and statuses."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import MixFormerError, counted
from mixformer.types import Box, Image, TrackResult
from mixformer.video.draw import Annotator
from mixformer.video.reader import open_video

_MOST_VIDEO = 4_000_000  # bytes of a video inside a notebook; of a larger one, pictures are shown
_KINDS = {".mp4": "video/mp4", ".webm": "video/webm"}
_MOST_TARGETS, _MOST_POINTS, _SIDE = 8, 400, 300
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#882255")

Rows = Mapping[int, list[tuple[int, float | None, str]]]  # frame, score and status of each target


class TrackView:
    """Results of a video as a notebook shows them: pictures with the boxes, scores and statuses.

    Attributes:
        source: video file or folder of pictures.
        results: what `mixformer.track` yields, as a list.

    Example:
        >>> import mixformer
        >>> from mixformer.run import TrackView
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> TrackView(DEMO_CLIP, mixformer.track(DEMO_CLIP, DEMO_BOX, stop=3))
        TrackView: 3 frames of orange_shirt.mp4
    """

    def __init__(
        self,
        source: str | Path,
        results: Iterable[TrackResult] | Iterable[Mapping[int, TrackResult]],
        *,
        pictures: int = 6,
    ) -> None:
        """Keep the results; pictures are read when the notebook shows them.

        Args:
            source: the tracked video file or folder of pictures.
            results: what `mixformer.track` yields for it.
            pictures: number of pictures, spread evenly over the frames.
        """
        self.source, self.results = Path(source), list(results)
        self._frames: list[Mapping[int, TrackResult]] = [
            {1: each} if isinstance(each, TrackResult) else cast("Mapping[int, TrackResult]", each)
            for each in self.results
        ]
        self._pictures = pictures

    def __repr__(self) -> str:
        return f"TrackView: {counted(len(self.results), 'frame')} of {self.source.name}"

    def _repr_html_(self) -> str:
        rows: dict[int, list[tuple[int, float | None, str]]] = {}
        for frame in self._frames:
            for number, result in frame.items():
                rows.setdefault(number, []).append((result.frame, result.score, result.status))
        return f"<div><b>{escape(repr(self))}</b></div>{self._strip()}{_timeline(rows)}"

    def _strip(self) -> str:
        known = [frame for frame in self._frames if frame]
        places = np.linspace(0, len(known) - 1, min(self._pictures, len(known))).round().astype(int)
        drawn = []
        for place in places.tolist():
            number = next(iter(known[place].values())).frame
            with open_video(self.source, number, number + 1) as video:
                drawn += [(number, _drawn(frame.image, known[place])) for frame in video]
        return _pictures(drawn)


def _drawn(image: Image, results: Mapping[int, TrackResult]) -> Image:
    """Draw on the small picture, so that labels can be read."""
    small, annotator = np.asarray(_small(image)), Annotator(trail=0)
    scale = small.shape[1] / image.shape[1]
    placed = {
        number: replace(result, box=Box(*(scale * side for side in result.box))) for number, result in results.items()
    }
    return annotator.draw(small, placed[1]) if list(placed) == [1] else annotator.draw_all(small, placed)


def _small(image: Image) -> PillowImage.Image:
    picture = PillowImage.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE))
    return picture


def _pictures(drawn: Iterable[tuple[int, Image]]) -> str:
    """Show small pictures side by side."""
    parts = []
    for number, image in drawn:
        file = io.BytesIO()
        _small(image).save(file, "JPEG", quality=85)
        data = base64.b64encode(file.getvalue()).decode()
        parts.append(f'<img alt="frame {number}" title="frame {number}" src="data:image/jpeg;base64,{data}">')
    return f'<div style="display: flex; flex-wrap: wrap; gap: 4px">{"".join(parts)}</div>'


def _timeline(rows: Rows) -> str:
    """Draw the scores of each target as a line, and below it where it is uncertain (pale) or lost (filled)."""
    shown = dict(list(rows.items())[:_MOST_TARGETS])
    frames = [each[0] for row in shown.values() for each in row]
    if not frames:
        return ""
    first, last = min(frames), max(frames)
    wide, high, row_high = 600, 60, 8
    parts = [f'<rect width="{wide}" height="{high}" fill="none" stroke="#7F7F7F" stroke-width="0.5"/>']

    def x(frame: float) -> float:
        return round(wide * (frame - first) / (last + 1 - first), 1)

    for place, (number, row) in enumerate(shown.items()):
        color = _COLORS[place % len(_COLORS)]
        scores = [(frame, score) for frame, score, _ in row if score is not None]
        scores = scores[:: -(-len(scores) // _MOST_POINTS) or 1]
        line = " ".join(f"{x(frame + 0.5)},{round(high * (1 - score), 1)}" for frame, score in scores)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}"/>')
        top = high + 4 + place * row_high
        for begin, end, status in _stretches(row):
            what = f"target {number}: {status}, frames {begin} to {end}"
            parts.append(
                f'<rect x="{x(begin)}" y="{top}" width="{max(x(end + 1) - x(begin), 1):.1f}" height="{row_high - 2}" '
                f'fill="{color}" fill-opacity="{1 if status == "lost" else 0.35}"><title>{what}</title></rect>'
            )
    high += 4 + len(shown) * row_high
    told = f"frames {first} to {last}: score (0 to 1), and below it uncertain (pale) and lost"
    if len(rows) > len(shown):
        told += f"; {len(rows) - len(shown)} more targets"
    return (
        f'<svg viewBox="0 0 {wide} {high}" width="{wide}" style="max-width: 100%" role="img" aria-label="{told}">'
        f"{''.join(parts)}</svg><div><small>{told}</small></div>"
    )


def _stretches(row: list[tuple[int, float | None, str]]) -> list[tuple[int, int, str]]:
    """Return first frame, last frame and status of each stretch that is not "tracking"."""
    found: list[tuple[int, int, str]] = []
    for frame, _, status in row:
        if found and found[-1][2] == status and found[-1][1] == frame - 1:
            found[-1] = (found[-1][0], frame, status)
        else:
            found.append((frame, frame, status))
    return [each for each in found if each[2] != "tracking"]


def show_video(path: Path) -> str:
    """Show a small video so that it plays, and pictures of a larger one; nothing if it is not there any more."""
    kind = _KINDS.get(path.suffix.lower())
    if kind and path.is_file() and path.stat().st_size <= _MOST_VIDEO:
        data = base64.b64encode(path.read_bytes()).decode()
        return f'<video controls muted style="max-width: 100%" width="640" src="data:{kind};base64,{data}"></video>'
    drawn = []
    try:
        with open_video(path) as video:
            total = video.frame_count or 1
        for number in np.linspace(0, total - 1, min(6, total)).round().astype(int).tolist():
            with open_video(path, number, number + 1) as video:
                drawn += [(number, frame.image) for frame in video]
    except MixFormerError:
        return ""
    return _pictures(drawn)
