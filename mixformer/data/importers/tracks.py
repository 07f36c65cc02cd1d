"""Helpers of all importers: turn boxes by frame number into a sequence, and check names and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mixformer.data.frame_storage import FrameRef
from mixformer.data.sequence import VideoSequence
from mixformer.data.storage import path_below
from mixformer.errors import DataError
from mixformer.files.partial_names import real_path
from mixformer.imaging.images import list_pictures

_LONGEST = 120  # letters of a folder name
FrameBoxes = dict[int, tuple[float, ...] | None]
"""Boxes xywh by frame, both 0-based; None where the target goes away."""
Importer = Callable[[Path, Path | None], list[VideoSequence]]
"""Reads sequences from an annotation, and from the pictures or video if they are not where the format expects them."""


@dataclass(frozen=True)
class FileTrack:
    """One track in the file of another tool, without pictures."""

    id: int  # number of the track in the file
    boxes: FrameBoxes
    label: str = ""  # class of the target
    attributes: Mapping[str, str] = field(default_factory=dict)  # further facts, name -> text
    occluded: frozenset[int] = frozenset()  # frames in which the target is partly hidden
    sparse: bool = False  # `boxes` are key boxes, to be interpolated; if not, frames without a box lack the target


def track_sequence(
    name: str, pictures: Mapping[int, FrameRef], boxes: FrameBoxes, source: str, label: str = ""
) -> VideoSequence | None:
    """Make a sequence of one track, from its first box to its last; None if no picture has a box.

    Frames without a picture are left out; in frames with None or without an entry in `boxes`, the target is absent.
    """
    shown = [number for number, box in boxes.items() if box is not None and number in pictures]
    if not shown:
        return None
    first, last = min(shown), max(shown)
    numbers = sorted(number for number in pictures if first <= number <= last)
    rows = [boxes.get(n) or (np.nan,) * 4 for n in numbers]
    return VideoSequence(name, tuple(pictures[n] for n in numbers), np.array(rows, np.float64), source, label=label)


def require_pictures(folder: Path) -> list[Path]:
    """List the pictures of a folder in natural order of their names; raises DataError if there are none."""
    found = list_pictures(folder) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder} holds no pictures; give their folder with --images")
    return found


def picture_below(folder: Path, name: object, source: Path) -> Path:
    """Return the path of a picture that an annotation names; raises DataError if it is not below the pictures' folder.

    Links are resolved: otherwise a foreign annotation could put any file of this machine into a data set.
    """
    path = path_below(folder, name, source)
    if not real_path(path).is_relative_to(real_path(folder)):
        raise DataError(f"{source} names {name}, which is not below {folder}; give the folder of pictures as --images")
    return path


def require_same_size(found: tuple[object, object], size: tuple[int, int] | None, source: Path) -> None:
    """Raise DataError if a file names another (width, height) of its pictures than the video has; None names none."""
    try:
        named = tuple(int(str(value)) for value in found)
    except ValueError:
        return
    if size and min(named) > 0 and named != size:
        raise DataError(
            f"{source} is about pictures of {named[0]} x {named[1]} pixels, and the video has {size[0]} x {size[1]}; "
            "give the video that was annotated"
        )


def whole_number(value: object, what: str) -> int:
    """Convert a number or text to a whole number; ValueError if it is none, or too large for a frame or track."""
    plain = isinstance(value, int | float | str) and not isinstance(value, bool) and len(str(value)) <= 25
    number = float(value) if plain else np.nan  # type: ignore[arg-type]
    if not (number.is_integer() and abs(number) < 2**53):
        raise ValueError(f"{what} is {value!r:.60}, which is no whole number")
    return int(number)


def folder_name(name: str) -> str:
    """Turn any text into a folder name."""
    letters = (letter if letter.isalnum() or letter in "-_." else "_" for letter in name[:_LONGEST])
    return "".join(letters).strip(".") or "track"
