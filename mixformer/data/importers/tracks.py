"""The step that all importers share: boxes by frame number become a sequence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mixformer.data.frame_storage import FrameRef
from mixformer.data.sequence import VideoSequence
from mixformer.data.storage import path_below
from mixformer.errors import DataError
from mixformer.imaging.images import list_pictures

_LONGEST = 120  # letters of a folder name
Importer = Callable[[Path, Path | None], list[VideoSequence]]
"""From an annotation and, if it does not lie where the format expects it, the pictures or video, to sequences."""


@dataclass(frozen=True)
class FileTrack:
    """One track as a file of another tool holds it, without pictures.

    Attributes:
        id: its number in the file.
        boxes: xywh in pixels, 0-based, by frame from 0; None where the target is absent from here on.
        label: class of the target.
        attributes: further facts, name -> text.
        occluded: frames in which it is partly hidden.
        sparse: the boxes are key boxes, with lines between them. Otherwise a frame that is not there is one without
            the target.
    """

    id: int
    boxes: Mapping[int, tuple[float, ...] | None]
    label: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    occluded: frozenset[int] = frozenset()
    sparse: bool = False


def track_sequence(
    name: str,
    pictures: Mapping[int, FrameRef],
    boxes: Mapping[int, tuple[float, ...] | None],
    source: str,
    label: str = "",
) -> VideoSequence | None:
    """Make a sequence of one track, from its first box to its last; None if no picture has a box.

    Args:
        name: of the sequence.
        pictures: by frame number; numbers without a picture are left out.
        boxes: xywh by frame number; None or a number that is not there means the target is not to be seen.
        source: the format.
        label: class of the target.
    """
    shown = [number for number, box in boxes.items() if box is not None and number in pictures]
    if not shown:
        return None
    first, last = min(shown), max(shown)
    numbers = sorted(number for number in pictures if first <= number <= last)
    rows = [boxes.get(n) or (np.nan,) * 4 for n in numbers]
    return VideoSequence(name, tuple(pictures[n] for n in numbers), np.array(rows, np.float64), source, label=label)


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of a folder in natural order of their names; raises DataError if there are none."""
    found = list_pictures(folder) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder} holds no pictures; say where they are with --images")
    return found


def picture_below(folder: Path, name: object, source: Path) -> Path:
    """Path of a picture that an annotation names, which must lie below the folder of pictures, links resolved.

    Raises:
        DataError: if it lies elsewhere, so that no file of the machine gets into a data set by a name in a file of
            others.
    """
    path = path_below(folder, name, source)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{source} names {name}, which is not below {folder}; give the folder of pictures as --images")
    return path


def whole_number(value: object, what: str) -> int:
    """A whole number that an annotation gives as a number or as text.

    Raises:
        ValueError: if it is none, or too large to be the number of a frame or track.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 25:
        raise ValueError(f"{what} is {value!r:.60}, which is no whole number")
    number = float(value)
    if not (number.is_integer() and abs(number) < 2**53):
        raise ValueError(f"{what} is {value!r:.60}, which is no whole number")
    return int(number)


def trailing_number(name: str) -> int | None:
    """The number that a name ends with, such as that of a frame; None if there is none."""
    found = re.search(r"[0-9]{1,15}$", name)
    return int(found[0]) if found else None


def safe_name(name: str) -> str:
    """Turn any text into a folder name."""
    letters = (letter if letter.isalnum() or letter in "-_." else "_" for letter in name[:_LONGEST])
    return "".join(letters).strip(".") or "track"
