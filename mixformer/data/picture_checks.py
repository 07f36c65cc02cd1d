"""Find pictures that are missing, broken, of another size, or repeated."""

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

_SAMPLE = 5  # pictures to decode of each sequence, unless `every` is set


@dataclass(frozen=True)
class Problem:
    """One problem of a sequence or of a data set."""

    sequence: str  # name of the sequence, or "" for the whole data set
    # With an "error" the sequence cannot be used as it is; a "warning" may be intended
    level: Literal["error", "warning"]
    text: str  # what is wrong, and the first frame (from 0) that shows it
    advice: str  # how to correct it


def check_pictures(sequence: VideoSequence, every: bool) -> tuple[tuple[int, int] | None, list[Problem]]:
    """Return the (width, height) of the first readable picture, and the problems of the pictures.

    Args:
        sequence: the sequence to check.
        every: decode every picture, and compare each with the one before. By default, decode a few and compare those of
            equal file size.
    """
    name, count = sequence.name, len(sequence)
    missing = [i for i, frame in enumerate(sequence.frames) if isinstance(frame, Path) and not frame.is_file()]
    problems = []
    if missing:
        text = f"{len(missing)} of {count} pictures are missing, the first is {sequence.frames[missing[0]]}"
        problems.append(Problem(name, "error", text, "restore them, or remove their boxes"))
    rows = range(count) if every or not count else np.unique(np.linspace(0, count - 1, _SAMPLE).astype(int)).tolist()
    sizes, broken = _decode(sequence, [row for row in rows if row not in set(missing)])
    if broken:
        text = f"{len(broken)} of {len(rows)} checked pictures cannot be read: {broken[0]}"
        problems.append(Problem(name, "error", text, "restore them, or remove them and their boxes"))
    size = next(iter(sizes.values()), None)
    others = [row for row, found in sizes.items() if found != size]
    if size and others:
        text = f"frame {others[0]} (from 0) has {sizes[others[0]]} pixels, the first one {size}"
        problems.append(Problem(name, "warning", text, "check whether frames of two videos are mixed"))
    twice = [] if missing else list(_repeated(sequence, every))
    if twice:
        text = f"{counted(len(twice), 'picture')} equal to the one before, the first is frame {twice[0]} (from 0)"
        problems.append(Problem(name, "warning", text, "remove the copies and their boxes"))
    return size, problems


def _decode(sequence: VideoSequence, rows: list[int]) -> tuple[dict[int, tuple[int, int]], list[str]]:
    """Return the (width, height) of each readable picture by frame, and a message for each unreadable one."""
    sizes, broken = {}, []
    for row in rows:
        try:
            height, width = read_frame(sequence.frames[row]).shape[:2]
            sizes[row] = (width, height)
        except DataError as error:
            broken.append(str(error))
    return sizes, broken


def _repeated(sequence: VideoSequence, every: bool) -> Iterator[int]:
    """Yield the frames whose file has the same bytes as the one before."""
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
