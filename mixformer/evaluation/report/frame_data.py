"""The numbers of each frame, packed into few bytes for the page."""

from __future__ import annotations

import base64
from typing import TypedDict

import numpy as np

from mixformer.evaluation.comparison import ComparedTracker, Comparison
from mixformer.evaluation.metrics.frame_errors import stretches
from mixformer.evaluation.report.figures import COLORS
from mixformer.types import FloatArray, StatusArray

_MOST_BYTES = 4_000_000
_NONE, _FULL = 255, 200  # bytes of "no number" and of 1; page.js has the same


class SequenceFrames(TypedDict):
    """One sequence; lists have an entry for each tracker, None if it has no such numbers."""

    name: str
    frames: int  # their number
    overlap: list[str | None]
    score: list[str | None]
    absent: list[tuple[int, int]]  # first and last frame of each stretch without a true box
    statuses: list[list[tuple[int, int, str]] | None]  # the same for each stretch that is not "tracking"


class FrameData(TypedDict):
    """The sequences of a page, those that the first tracker follows worst on top."""

    trackers: list[str]
    sequences: list[SequenceFrames]


def frame_data(comparison: Comparison, most_bytes: int = _MOST_BYTES) -> FrameData:
    """Pack overlaps, scores and statuses of the first eight trackers, until there are too many bytes for a page."""
    entries = comparison.entries[: len(COLORS)]
    lengths = {sequence.name: len(sequence) for sequence in comparison.sequences}
    made: FrameData = {"trackers": [entry.tracker for entry in entries], "sequences": []}
    used = 0
    for name in comparison.hardest:
        used += lengths[name] * len(entries) * 8 // 3  # overlap and score, 4 letters for 3 bytes
        if used > most_bytes:
            break
        made["sequences"].append(_sequence(comparison, entries, name))
    return made


def _sequence(comparison: Comparison, entries: tuple[ComparedTracker, ...], name: str) -> SequenceFrames:
    (sequence,) = (each for each in comparison.sequences if each.name == name)
    overlaps = comparison.frame_overlaps(name)
    absent = np.ones(len(sequence), np.bool_)
    absent[sequence.visible] = False
    return {
        "name": name,
        "frames": len(sequence),
        "overlap": [_packed(overlaps[entry.tracker]) for entry in entries],
        "score": [_packed(entry.scores[name]) if name in entry.scores else None for entry in entries],
        "absent": [(first, stop - 1) for first, stop in stretches(absent)],
        "statuses": [_doubts(entry.statuses[name]) if name in entry.statuses else None for entry in entries],
    }


def _doubts(statuses: StatusArray) -> list[tuple[int, int, str]]:
    words = ("uncertain", "lost")
    return [(first, stop - 1, word) for word in words for first, stop in stretches(statuses == word)]


def _packed(values: FloatArray) -> str:
    known = np.isfinite(values)
    scaled = np.where(known, np.rint(_FULL * np.clip(np.where(known, values, 0), 0, 1)), _NONE)
    return base64.b64encode(scaled.astype(np.uint8).tobytes()).decode()
