"""Reading a sequence of a test split whole, or not at all.

Training goes on without a frame that is missing. A score would silently be another one, so here it is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixformer.data.annotated_folders import Parsed, parse_boxes
from mixformer.data.datasets.video_folders import Frames, Video, number_names, where
from mixformer.data.lists import Row
from mixformer.data.sequence import VideoSequence, has_area
from mixformer.data.storage import Store, read_text
from mixformer.errors import DataError
from mixformer.types import FloatArray

log = logging.getLogger(__name__)

Flag = tuple[str, Callable[[str], NDArray[np.bool_]]]
"""Name of a file, and a function from its text to (n,) True where the target is hidden."""


@dataclass(frozen=True)
class StrictRules:
    """How a test split lays out its sequences.

    Attributes:
        first: number of the frame of the first box; None pairs pictures and boxes in the order of names.
        flags: files that mark frames, each with a function from its text to (n,) True where the target is hidden. A
            name lies beside the boxes, or with a `/` in it below the root; `{name}` in it is the sequence's.
        label: what the target of a video is, where the list does not say.
        only_first: the set gives the box of the first frame alone; later frames then have NaN.
        origin: number of the left and upper pixels in the set's files, 0 or 1.
        parse: from the text of the boxes to (n, 4) xywh, and what is wrong with each broken row.
        span: numbers of the first and last frame where a file says so; None takes those of the list.
        slack: how many more boxes than pictures there may be, or fewer.
        every: the set may give this many boxes for each picture, of which the first counts.
        beside: further files of a sequence to pack, named as in `flags`; they need not be there.
    """

    first: int | None = 1
    flags: tuple[Flag, ...] = ()
    label: Callable[[Video], str] | None = None
    only_first: bool = False
    origin: int = 0
    parse: Callable[[str], Parsed] = parse_boxes
    span: Callable[[Video], tuple[int, int]] | None = None
    slack: int = 0
    every: int = 1
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A sequence of a list that is there.

    Attributes:
        row: what the list says about it.
        video: where it is.
        rules: how it is laid out.
        base: key of the folder that the layout starts in; "" is the top.
    """

    row: Row
    video: Video
    rules: StrictRules
    base: str = ""

    def flag_key(self, name: str) -> str:
        """Key of a flag file."""
        name = name.format(name=self.row.name)
        folder = self.base if "/" in name else self.video.truth.rpartition("/")[0]
        return f"{folder}/{name}".lstrip("/")

    def files(self) -> Iterator[tuple[Store, str]]:
        """Where each of its files is: those beside its boxes, its marks and its pictures."""
        video = self.video
        yield video.store, video.truth
        for name in (*(name for name, _ in self.rules.flags), *self.rules.beside):
            folder, _, file = self.flag_key(name).rpartition("/")
            if file in video.store.listing(folder)[1]:
                yield video.store, self.flag_key(name)
        place = video.place()
        for name in video.pictures.listing(place)[1]:
            yield video.pictures, f"{place}/{name}".lstrip("/")


@dataclass(frozen=True)
class StrictReader:
    """Reads sequence number i of a test split.

    Attributes:
        source: name of the set.
        entries: its sequences.
        keep_one_based: keep the numbers of the files also where they count pixels from 1.
    """

    source: str
    entries: list[Entry]
    keep_one_based: bool = False

    def __call__(self, index: int) -> VideoSequence:
        """The sequence, with boxes counted from 0 unless `keep_one_based`.

        Raises:
            DataError: if anything of it is missing or broken, naming the file and the line or the frame.
        """
        entry = self.entries[index]
        video, rules, row = entry.video, entry.rules, entry.row
        first, last = rules.span(video) if rules.span else (row.first, row.last)
        start = rules.first if rules.first is None else first or rules.first
        names = number_names(video.pictures.listing(video.place())[1], start)
        boxes, hidden = _annotation(entry, max(names, default=-1) + 1)
        count = _agreed(entry, len(boxes), names, last - (start or 0) + 1 if last else 0)
        _complete(entry, names, count, start or 0)
        frames = Frames(video.pictures, video.place(), tuple(names[number] for number in range(row.skip, count)))
        boxes = boxes[row.skip : count]
        if not self.keep_one_based:
            boxes[:, :2] -= rules.origin
        boxes[~has_area(boxes)] = np.nan
        label = row.label or (rules.label(video) if rules.label else "")
        return VideoSequence(entry.row.name, frames, boxes, self.source, hidden[row.skip : count], label)


def _annotation(entry: Entry, pictures: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Boxes as written and marks of hidden targets, one of each for each picture."""
    video, rules = entry.video, entry.rules
    place = where(video.store, video.truth)
    text = read_text(video.store, video.truth)
    if text is None:
        raise _broken(entry, f"{place} is not there")
    boxes, broken = rules.parse(text)
    if broken:
        raise DataError(f"{entry.row.name}: {place}, {next(iter(broken.values()))}")
    if not len(boxes):
        raise _broken(entry, f"{place} holds no boxes")
    if rules.only_first:
        boxes = np.vstack([boxes[:1], np.full((max(pictures, 1) - 1, 4), np.nan)])
    hidden = np.zeros(len(boxes), bool)
    for name, parse in rules.flags:
        hidden |= _marks(entry, entry.flag_key(name), parse, len(boxes))
    step = rules.every if abs(len(boxes) / max(pictures, 1) - rules.every) < 1 else 1
    return boxes[::step], hidden[::step]


def _marks(entry: Entry, key: str, parse: Callable[[str], NDArray[np.bool_]], count: int) -> NDArray[np.bool_]:
    """(count,) True where a flag file marks the target as hidden."""
    place = where(entry.video.store, key)
    text = read_text(entry.video.store, key)
    if text is None:
        raise _broken(entry, f"{place} is not there")
    try:
        marks = parse(text)
    except ValueError as error:
        raise DataError(f"{entry.row.name}: {place}: {error}") from error
    if len(marks) != count:
        raise _broken(entry, f"{place} holds {len(marks)} marks for {count} boxes")
    return marks


def _agreed(entry: Entry, boxes: int, names: dict[int, str], listed: int) -> int:
    """How many frames there are, from the number of boxes, the pictures by number, and what the list says (or 0)."""
    place = where(entry.video.store, entry.video.truth)
    if listed and abs(boxes - listed) > entry.rules.slack:
        raise _broken(entry, f"{place} holds {boxes} boxes, but the sequence has {listed} frames")
    count = min(boxes, listed or boxes)
    present = max(names, default=-1) + 1
    if 0 < count - present <= entry.rules.slack:
        return present
    if not listed and present - count > entry.rules.slack:
        log.warning(
            "%s: %s holds %d boxes for %d pictures; the last are left out", entry.row.name, place, count, present
        )
    return count


def _complete(entry: Entry, names: dict[int, str], count: int, start: int) -> None:
    """Raise unless there are `count` pictures, the first of them with the number `start`."""
    if missing := [number for number in range(count) if number not in names]:
        place = where(entry.video.pictures, entry.video.place())
        some = f"{len(missing)} of {count} pictures, the first of them number {missing[0] + start}"
        raise _broken(entry, f"{place} lacks {some}")


def _broken(entry: Entry, problem: str) -> DataError:
    return DataError(f"{entry.row.name}: {problem}; unpack or download this sequence again")
