"""Read a sequence of a data set from its files: only if it is whole, or without its broken frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixformer.data.datasets.sequence_files import SequenceFiles, StoredFrames, index_frames
from mixformer.data.lists import ListedSequence
from mixformer.data.sequence import VideoSequence, has_area
from mixformer.data.storage import describe_key, read_text
from mixformer.errors import DataError, counted, first_few
from mixformer.types import FloatArray

log = logging.getLogger(__name__)

OnError = Literal["raise", "warn"]


@dataclass
class SequenceReader:
    """Reads sequence number i of a data set; can be sent to other processes."""

    source: str  # name of the data set
    files: Sequence[SequenceFiles]  # the files of each sequence
    # What to do if a part of a sequence is missing or broken. "raise" refuses the sequence, since a score on the rest
    # of it cannot be compared. "warn" leaves out the frames without a picture or a readable box, and warns once for
    # each sequence, so that training goes on.
    on_error: OnError = "raise"
    keep_one_based: bool = False  # keep the numbers of files that count pixels from 1; by default boxes count from 0
    _warned: set[int] = field(default_factory=set, repr=False)

    def __call__(self, index: int) -> VideoSequence:
        """Read a sequence. With `on_error` "raise", DataError names the first broken file, and the line or frame."""
        files = self.files[index]
        layout, listed = files.layout, files.listed or ListedSequence(files.name, files.name)
        problems = _Problems(files.name, self.on_error == "raise")
        first, last = layout.frame_range(files) if layout.frame_range else (listed.first, listed.last)
        start = None if layout.first_number is None else first or layout.first_number
        # Boxes, pictures and marks, each by frame index from 0.
        boxes, broken = _read_boxes(files, problems)
        folder = files.picture_folder()
        names = index_frames(files.picture_storage.listing(folder)[1], start, len(boxes))
        boxes, hidden = _annotation(files, boxes, max(names, default=-1) + 1, problems)
        count = _frame_count(files, len(boxes), names, last - (start or 0) + 1 if last else 0, problems)
        if missing := [row for row in range(count) if row not in names]:
            some = f"{len(missing)} of {count} pictures, the first is number {missing[0] + (start or 0)}"
            problems.add(f"{describe_key(files.picture_storage, folder)} lacks {some}")
        # The frames that are whole, all of them with `on_error` "raise".
        rows = [row for row in range(listed.skip, count) if row in names and row not in broken]
        boxes = boxes[rows]
        if not self.keep_one_based:
            boxes[:, :2] -= layout.pixel_origin
        boxes[~has_area(boxes)] = np.nan
        if problems.texts and index not in self._warned:
            self._warned.add(index)
            log.warning("%s: %s. These frames are left out", files.name, "; ".join(problems.texts))
        frames = StoredFrames(files.picture_storage, folder, tuple(names[row] for row in rows))
        label = listed.label or (layout.label(files) if layout.label else "")
        return VideoSequence(files.name, frames, boxes, self.source, hidden[rows], label)


@dataclass
class _Problems:
    """Collects the problems of one sequence, or raises the first one."""

    name: str
    raises: bool
    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Add a problem that makes frames unusable."""
        if self.raises:
            raise DataError(f"{self.name}: {text}; unpack or download this sequence again")
        self.texts.append(text)


def _read_boxes(files: SequenceFiles, problems: _Problems) -> tuple[FloatArray, dict[int, str]]:
    """Read the boxes as the file has them, and a message for each broken row."""
    place = describe_key(files.storage, files.annotation)
    text = read_text(files.storage, files.annotation)
    boxes, broken = files.layout.parse(text or "")
    if text is None:
        problems.add(f"{place} is not there")
    elif broken:
        problems.add(f"{place}, {', '.join(first_few(broken.values(), 1))}")
    elif not len(boxes):
        problems.add(f"{place} holds no boxes")
    return boxes, broken


def _annotation(
    files: SequenceFiles, boxes: FloatArray, pictures: int, problems: _Problems
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return one box for each picture, and True where the target is hidden."""
    layout = files.layout
    if layout.first_box_only:
        boxes = np.vstack([boxes[:1], np.full((max(pictures, 1) - 1, 4), np.nan)])
    hidden = np.zeros(len(boxes), bool)
    for name, parse in layout.flags:
        place, text = describe_key(files.storage, files.flag_key(name)), read_text(files.storage, files.flag_key(name))
        if text is None:
            problems.add(f"{place} is not there")
            continue
        try:
            marks = parse(text)
        except ValueError as error:
            problems.add(f"{place}: {error}")
            continue
        if len(marks) == len(boxes):
            hidden |= marks
        else:
            problems.add(f"{place} holds {counted(len(marks), 'mark')} for {counted(len(boxes), 'box')}")
    step = layout.boxes_per_picture
    step = step if abs(len(boxes) / max(pictures, 1) - step) < 1 else 1
    return boxes[::step], hidden[::step]


def _frame_count(files: SequenceFiles, boxes: int, names: dict[int, str], listed: int, problems: _Problems) -> int:
    """Count the frames from the boxes, the pictures by index, and the published list (`listed`; 0 without a list)."""
    tolerance = files.layout.tolerance
    if listed and abs(boxes - listed) > tolerance:
        place = describe_key(files.storage, files.annotation)
        problems.add(f"{place} holds {counted(boxes, 'box')}, but the sequence has {counted(listed, 'frame')}")
    count = min(boxes, listed or boxes)
    present = max(names, default=-1) + 1
    if 0 < count - present <= tolerance:
        return present
    extra = [name for row, name in names.items() if not 0 <= row < count]
    if not listed and len(extra) > tolerance:  # only a warning, even with "raise": every box has its picture
        place = describe_key(files.picture_storage, files.picture_folder())
        problems.texts.append(f"{place} has {counted(len(extra), 'picture')} without a box, the first is {extra[0]}")
    return count
