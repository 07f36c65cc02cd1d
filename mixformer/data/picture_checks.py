"""Looking for pictures that are missing, broken, of another size, or there twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mixformer.data.frame_storage import ClipFrame, FrameRef, read_bytes, read_frame
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError, counted

_SAMPLE = 5  # pictures decoded of each sequence, unless all are


@dataclass(frozen=True)
class Problem:
    """Something wrong."""

    sequence: str  # its name, or "" for the whole
    # An "error" keeps the sequence from being used as it is; a "warning" may be meant
    level: Literal["error", "warning"]
    text: str  # what is wrong, with the first frame (from 0) it is seen in
    advice: str  # how to mend it


def check_pictures(sequence: VideoSequence, every: bool) -> tuple[tuple[int, int] | None, list[Problem]]:
    """The (width, height) of the first readable picture, and what is wrong with the pictures.

    Args:
        sequence: what to look at.
        every: decode every picture and compare each with the one before, instead of a few and those of equal file size.
    """
    name, count = sequence.name, len(sequence)
    missing = [i for i, frame in enumerate(sequence.frames) if isinstance(frame, Path) and not frame.is_file()]
    problems = []
    if missing:
        text = f"{len(missing)} of {count} pictures are not there, the first of them {sequence.frames[missing[0]]}"
        problems.append(Problem(name, "error", text, "restore them, or take them and their boxes out"))
    rows = range(count) if every or not count else np.unique(np.linspace(0, count - 1, _SAMPLE).astype(int)).tolist()
    sizes, broken = _decode(sequence, [row for row in rows if row not in set(missing)])
    if broken:
        text = f"{len(broken)} of {len(rows)} pictures that were looked at cannot be read: {broken[0]}"
        problems.append(Problem(name, "error", text, "restore them, or take them and their boxes out"))
    size = next(iter(sizes.values()), None)
    others = [row for row, found in sizes.items() if found != size]
    if size and others:
        text = f"frame {others[0]} (from 0) has {sizes[others[0]]} pixels, the first one {size}"
        problems.append(Problem(name, "warning", text, "see whether frames of two videos are mixed"))
    twice = [] if missing else list(_repeated(sequence, every))
    if twice:
        text = f"{counted(len(twice), 'picture')} like the one before, the first of them frame {twice[0]} (from 0)"
        problems.append(Problem(name, "warning", text, "remove the copies and their boxes"))
    return size, problems


def _decode(sequence: VideoSequence, rows: list[int]) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """(width, height) of the pictures of some frames, and what is wrong with those that cannot be read."""
    sizes, broken = {}, []
    for row in rows:
        try:
            height, width = read_frame(sequence.frames[row]).shape[:2]
            sizes[row] = (width, height)
        except DataError as error:
            broken.append(str(error))
    return sizes, broken


def _repeated(sequence: VideoSequence, every: bool) -> Iterator[int]:
    """Frames whose file has the bytes of the one before it."""
    last: tuple[object, FrameRef] | None = None
    for row, frame in enumerate(sequence.frames):
        if isinstance(frame, ClipFrame) or not (every or isinstance(frame, Path)):
            return
        state = frame.stat().st_size if isinstance(frame, Path) else None
        if last and last[0] == state and _digest(last[1]) == _digest(frame):
            yield row
        last = state, frame


def _digest(frame: FrameRef) -> bytes:
    assert not isinstance(frame, ClipFrame)
    return hashlib.sha256(read_bytes(frame)).digest()
