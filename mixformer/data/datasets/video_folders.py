"""What the video sets share: a text file of boxes beside numbered pictures, read when a sequence is asked for."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mixformer.data.annotated_folders import parse_boxes
from mixformer.data.frame_storage import FrameRef
from mixformer.data.sequence import VideoSequence, has_area
from mixformer.data.storage import Store, read_text
from mixformer.imaging.images import is_picture, natural_order
from mixformer.types import FloatArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """Where one video is.

    Attributes:
        name: of the sequence.
        store: of the annotation.
        truth: key of its boxes; other annotation files lie beside it.
        pictures: store of the frames.
        folder: key of the frames' folder; None for an archive of this video alone, wherever its pictures are in it.
    """

    name: str
    store: Store
    truth: str
    pictures: Store
    folder: str | None

    def beside(self, name: str) -> str | None:
        """Text of an annotation file next to the boxes, or None if there is none."""
        folder = self.truth.rpartition("/")[0]
        return read_text(self.store, f"{folder}/{name}" if folder else name)

    def place(self) -> str:
        """Key of the frames' folder."""
        if self.folder is not None:
            return self.folder
        place = ""
        while (listing := self.pictures.listing(place))[0] and not any(map(is_picture, listing[1])):
            place = f"{place}/{listing[0][0]}".lstrip("/")
        return place


@dataclass(frozen=True)
class Frames(Sequence[FrameRef]):
    """Pictures of one folder of a store; the references are made when asked for."""

    store: Store
    folder: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> FrameRef: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[FrameRef, ...]: ...

    def __getitem__(self, index: int | slice) -> FrameRef | tuple[FrameRef, ...]:
        """Reference to one picture; a slice gives a tuple."""
        if isinstance(index, slice):
            return tuple(self._frame(name) for name in self.names[index])
        return self._frame(self.names[index])

    def _frame(self, name: str) -> FrameRef:
        return self.store.frame(f"{self.folder}/{name}" if self.folder else name)


def no_label(video: Video) -> str:
    """For sets that do not say what their targets are."""
    return ""


@dataclass(frozen=True)
class Rules:
    """How a set lays out its videos.

    Attributes:
        first: number in the name of the first frame; None pairs pictures and boxes in order, see `number_names`.
        flags: annotation files that mark frames, each with a function from its text to (n,) True where the target is
            hidden.
        label: what the target of a video is.
        only_first: the set gives the box of the first frame alone (test splits); later frames then have NaN.
    """

    first: int | None = 1
    flags: tuple[tuple[str, Callable[[str], NDArray[np.bool_]]], ...] = ()
    label: Callable[[Video], str] = no_label
    only_first: bool = False


@dataclass
class VideoReader:
    """Reads sequence number i of a set; warns once about each that is incomplete."""

    source: str
    videos: list[Video]
    rules: Rules
    _warned: set[int] = field(default_factory=set, repr=False)

    def __call__(self, index: int) -> VideoSequence:
        """The sequence, without the frames that lack a picture or a readable box."""
        video, problems = self.videos[index], list[str]()
        boxes, broken = self._boxes(video, problems)
        place = video.place()
        names = number_names(video.pictures.listing(place)[1], self.rules.first, len(boxes))
        if self.rules.only_first:
            boxes = np.vstack([boxes, np.full((max(0, max(names, default=-1) + 1 - len(boxes)), 4), np.nan)])
        self._compare(where(video.pictures, place), len(boxes), names, problems)
        hidden = self._hidden(video, len(boxes), problems)
        rows = [row for row in sorted(names) if 0 <= row < len(boxes) and row not in broken]
        frames = Frames(video.pictures, place, tuple(names[row] for row in rows))
        if problems and index not in self._warned:
            self._warned.add(index)
            log.warning("%s: %s. The sequence goes on without them", video.name, "; ".join(problems))
        return VideoSequence(video.name, frames, boxes[rows], self.source, hidden[rows], self.rules.label(video))

    def _boxes(self, video: Video, problems: list[str]) -> tuple[FloatArray, dict[int, str]]:
        """Boxes, NaN where they have no area, and what is wrong with broken rows."""
        text = read_text(video.store, video.truth)
        if text is None:
            problems.append(f"{where(video.store, video.truth)} is not there")
        boxes, broken = parse_boxes(text or "")
        if broken:
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            problems.append(f"{where(video.store, video.truth)}, {next(iter(broken.values()))}{more}")
        boxes[~has_area(boxes)] = np.nan
        return boxes, broken

    def _compare(self, place: str, count: int, names: dict[int, str], problems: list[str]) -> None:
        """Say which frames lack a picture, and which pictures lack a box."""
        missing = [row for row in range(count) if row not in names]
        if missing:
            number = missing[0] + (self.rules.first or 0)
            some = f"{len(missing)} of {count} frames, the first of them number {number}"
            problems.append(f"{place} lacks {some}")
        extra = [name for row, name in names.items() if not 0 <= row < count]
        if extra:
            some = f"{len(extra)} frames without a box, the first of them {extra[0]}"
            problems.append(f"{place} has {some}")

    def _hidden(self, video: Video, count: int, problems: list[str]) -> NDArray[np.bool_]:
        """(count,) True where a flag file marks the target as hidden."""
        hidden = np.zeros(count, bool)
        for name, parse in self.rules.flags:
            try:
                marks = parse(video.beside(name) or "")
            except ValueError:
                marks = np.zeros(0, bool)
            if len(marks) == count:
                hidden |= marks
            else:
                problems.append(f"{name} beside {where(video.store, video.truth)} does not hold {count} numbers")
        return hidden


def where(store: Store, key: str) -> str:
    """A place in a store as a person would write it."""
    return f"{store.root}{'/' if store.root.is_dir() else ':'}{key}" if key else str(store.root)


def number_names(names: Iterable[str], first: int | None, count: int = 0) -> dict[int, str]:
    """Row of each picture among file names.

    Args:
        names: of files; those that are no pictures do not count.
        first: the row is the number a name ends with, less this; None takes the place in the order of these numbers.
        count: rows there should be. With fewer pictures in order, gaps in their numbers tell which are missing.
    """
    pictures = [name for name in names if is_picture(name)]
    digits = [re.search(r"\d+$", PurePosixPath(name).stem) for name in pictures]
    numbers = [int(found[0]) if found else -1 for found in digits]
    if first is not None:
        return {number - first: name for number, name in zip(numbers, pictures, strict=True) if number >= 0}
    if -1 in numbers:
        return dict(enumerate(sorted(pictures, key=natural_order)))
    ordered = sorted(zip(numbers, pictures, strict=True))
    rows = [number - ordered[0][0] for number, _ in ordered]
    if len(rows) < count and len(set(rows)) == len(rows) and rows[-1:] < [count]:
        return {row: name for row, (_, name) in zip(rows, ordered, strict=True)}
    return dict(enumerate(name for _, name in ordered))


def parse_numbers(text: str) -> NDArray[np.float64]:
    """All numbers of a text, separated by commas, spaces or line ends.

    Raises:
        ValueError: if something else is among them.
    """
    return np.array([float(word) for word in re.split(r"[,\s]+", text.strip()) if word], np.float64)
