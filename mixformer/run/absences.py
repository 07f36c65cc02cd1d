"""The stretches of a video in which targets were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from mixformer.errors import first_few
from mixformer.types import TrackResult

Stretches = dict[int, tuple[tuple[int, int], ...]]
"""For each target's number, the first frame and the frame after the last one of each stretch."""


class Absences:
    """Collect the stretches, frame by frame."""

    def __init__(self, before: Stretches | None = None, next: int = 0) -> None:
        """Begin, or continue the stretches of an interrupted run, whose next frame is `next`."""
        self._stretches = {id: [list(each) for each in spans] for id, spans in (before or {}).items()}
        self._lost = {id for id, spans in self._stretches.items() if spans[-1][1] == next}

    def note(self, index: int, results: Mapping[int, TrackResult]) -> None:
        """Add a frame."""
        lost = {id for id, result in results.items() if result.status == "lost"}
        for id in lost:
            spans = self._stretches.setdefault(id, [])
            if id not in self._lost:
                spans.append([index, index + 1])
            spans[-1][1] = index + 1
        self._lost = lost

    def stretches(self) -> Stretches:
        """Return all stretches so far, without targets that were never lost."""
        return {id: tuple((a, b) for a, b in spans) for id, spans in sorted(self._stretches.items())}


def frames_text(spans: Sequence[tuple[int, int]]) -> str:
    """Name the frames of some stretches, such as "frame 14" or "frames 18 to 33, 40"."""
    shown = ", ".join(first_few(f"{a}" if b - a == 1 else f"{a} to {b - 1}" for a, b in spans))
    return f"{'frame' if len(spans) == 1 and spans[0][1] - spans[0][0] == 1 else 'frames'} {shown}"


def frame_spans(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first frame and the frame after the last one of each run without a gap, of rising frames."""
    edges = [number for first, second in pairwise(frames) if second != first + 1 for number in (first + 1, second)]
    ends = [frames[0], *edges, frames[-1] + 1] if frames else []
    return list(zip(ends[::2], ends[1::2], strict=True))
