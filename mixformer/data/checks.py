"""Find errors in annotated sequences and their pictures, each with advice on how to correct it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixformer.data.annotated_folders import read_sequence
from mixformer.data.datasets.benchmarks import describe_missing
from mixformer.data.datasets.dataset_spec import DatasetOptions
from mixformer.data.datasets.registry import CUSTOM, canonical_name, detect_dataset, load_dataset, missing_sequences
from mixformer.data.frame_storage import ClipFrame, FrameRef, read_bytes, read_frame
from mixformer.data.sequence import VideoSequence, has_area
from mixformer.errors import DataError, counted
from mixformer.files import path_kind
from mixformer.types import FloatArray

_SAMPLE = 5  # pictures to decode of each sequence, unless `every` is set


@dataclass(frozen=True)
class Problem:
    """One problem of a sequence or of a data set."""

    sequence: str  # name of the sequence, or "" for the whole data set
    # With an "error" the sequence cannot be used as it is; a "warning" may be intended
    level: Literal["error", "warning"]
    text: str  # what is wrong, and the first frame (from 0) that shows it
    advice: str  # how to correct it


@dataclass(frozen=True)
class Summary:
    """One sequence in numbers."""

    name: str  # of the sequence
    frames: int  # number of pictures
    boxes: int  # frames with a box
    visible: int  # frames in which the target is visible
    size: tuple[int, int] | None  # (width, height) of the first picture; None if it cannot be read
    side: float  # median square root of the boxes' area in pixels; NaN without boxes


@dataclass(frozen=True)
class Options:
    """Options of `check`."""

    every: bool = False  # decode every picture instead of a few of each sequence
    factor: float = 4.5  # side of the search region / side of the target; a tracker loses a target that leaves it
    limit: int = 0  # check this many sequences, evenly spread; 0 checks all
    name: str = ""  # name of the public data set at the path; "" detects it, or reads the path as your own sequences
    split: str = ""  # split of a public data set; "" takes its first


def check(path: Path, options: Options | None = None) -> Iterator[tuple[Summary | None, list[Problem]]]:
    """Yield the summary (None if it cannot be read) and problems of each sequence; raises DataError without any."""
    options = options or Options()
    if options.limit < 0 or not options.factor > 0:
        raise DataError("limit must be 0 (all sequences) or more, and factor above 0")
    loaders, problems = _loaders(path, options)
    if problems:
        yield None, problems
    step = max(1, len(loaders) // options.limit) if options.limit else 1
    for name, load in loaders[::step][: options.limit or None]:
        try:
            sequence = load()
        except DataError as error:
            yield None, [Problem(name, "error", str(error), "correct the annotation, or remove the sequence")]
            continue
        size, problems = check_pictures(sequence, options.every)
        problems += check_boxes(sequence, size, options.factor)
        sides = np.sqrt(sequence.boxes[sequence.valid, 2:].prod(1))
        side = float(np.median(sides)) if len(sides) else float("nan")
        valid, visible = len(sequence.valid), len(sequence.visible)
        yield Summary(sequence.name, len(sequence), valid, visible, size, side), problems


_Loader = tuple[str, Callable[[], VideoSequence]]


def _loaders(path: Path, options: Options) -> tuple[Sequence[_Loader], list[Problem]]:
    """Return a name and a reader of each sequence, so that a broken one stops no other, and the set's problems."""
    if not path_kind(path):
        raise DataError(f"{path} is not there; check the path")
    known, problems = canonical_name(options.name) or detect_dataset(path) or CUSTOM, list[Problem]()
    own = [p for p in sorted(path.glob("*")) if (p / "groundtruth.txt").is_file() or (p / "img").is_dir()]
    if own and known == CUSTOM and not (path / "groundtruth.txt").is_file():
        return [(folder.name, partial(read_sequence, folder)) for folder in own], problems
    found = load_dataset(known, path, DatasetOptions(options.split))
    if known != CUSTOM:
        missing, total = missing_sequences(known, options.split, found)
        if missing:
            text, advice = describe_missing(missing, total), "download them, or publish scores as those of a part"
            problems.append(Problem(known, "error", text, advice))
    return [(name, partial(found.__getitem__, index)) for index, name in enumerate(found.names)], problems


def check_pictures(sequence: VideoSequence, every: bool) -> tuple[tuple[int, int] | None, list[Problem]]:
    """Return the (width, height) of the first readable picture, and the problems of the pictures.

    With `every`, decode all and compare each with the one before; else a few, and compare those of equal file size.
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


def check_boxes(sequence: VideoSequence, size: tuple[int, int] | None, factor: float) -> list[Problem]:
    """List the errors of the boxes; `size` is (width, height) of the pictures, None skips the checks that need it."""
    if not len(sequence.visible):
        return [Problem(sequence.name, "error", "the target is never visible", "remove the sequence, or give it boxes")]
    found = []
    for rule in _RULES:
        rows = np.flatnonzero(rule.broken(sequence.boxes, size, factor))
        if len(rows):
            text = f"{rule.text} in {len(rows)} of {len(sequence)} frames, first in frame {rows[0]} (from 0)"
            found.append(Problem(sequence.name, rule.level, text, rule.advice))
    return found


@dataclass(frozen=True)
class _Rule:
    """A kind of error; `broken` returns (n,) True for the rows of (n, 4) boxes that have it."""

    level: Literal["error", "warning"]
    text: str
    advice: str
    broken: Callable[[FloatArray, tuple[int, int] | None, float], NDArray[np.bool_]]


def _inside(boxes: FloatArray, size: tuple[int, int] | None) -> FloatArray:
    """Return the fraction (n,) of each box that is inside the frame; 1 without a box or without a size."""
    if size is None:
        return np.ones(len(boxes))
    seen = has_area(boxes)
    x, y, w, h = np.where(seen[:, None], boxes, [0, 0, 1, 1]).T
    shared = np.clip(np.minimum(x + w, size[0]) - np.maximum(x, 0), 0, None)
    shared = shared * np.clip(np.minimum(y + h, size[1]) - np.maximum(y, 0), 0, None)
    return np.where(seen, shared / (w * h), 1.0)


def _jumps(boxes: FloatArray, factor: float) -> NDArray[np.bool_]:
    """Return (n,) True where the target leaves the search region around its last box."""
    seen = has_area(boxes)
    boxes = np.where(seen[:, None], boxes, 1.0)
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    reach = 0.5 * factor * np.sqrt(boxes[:-1, 2:].prod(1))
    far = np.abs(np.diff(centers, axis=0)).max(1) > reach
    return np.concatenate([[False], seen[1:] & seen[:-1] & far])


_RULES = (
    _Rule(
        "warning",
        "boxes are partly NaN, or infinite",
        "write nan,nan,nan,nan where the target is absent",
        lambda boxes, *_: (np.isfinite(boxes).sum(1) % 4 > 0) | np.isinf(boxes).any(1),
    ),
    _Rule(
        "warning",
        "boxes have no width or height",
        "these count as absent: better write nan,nan,nan,nan",
        lambda boxes, *_: np.isfinite(boxes).all(1) & ~has_area(boxes),
    ),
    _Rule(
        "error",
        "boxes look like fractions of the frame",
        "write x, y, width, height in pixels",
        lambda boxes, *_: has_area(boxes) & (np.abs(np.nan_to_num(boxes)) <= 1).all(1),
    ),
    _Rule(
        "error",
        "boxes lie wholly outside the picture",
        "write left, top, width, height (not corners) in pixels of these pictures, and nan where the target is absent",
        lambda boxes, size, _: _inside(boxes, size) == 0,
    ),
    _Rule(
        "warning",
        "less than half of the box lies inside the picture",
        "check that the numbers are left, top, width, height, not corners",
        lambda boxes, size, _: (_inside(boxes, size) > 0) & (_inside(boxes, size) < 0.5),
    ),
    _Rule(
        "warning",
        "the target jumps out of the search region",
        "check for missing frames; if the video has a cut, split the sequence there",
        lambda boxes, _, factor: _jumps(boxes, factor),
    ),
)
