"""The step that all importers share: boxes by frame number become a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mixformer.data.frame_storage import FrameRef
from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError
from mixformer.imaging.images import list_pictures

Importer = Callable[[Path, Path | None], list[VideoSequence]]
"""From an annotation and, if it does not lie where the format expects it, the pictures or video, to sequences."""


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
    numbers = [n for n in range(min(shown), max(shown) + 1) if n in pictures]
    rows = [boxes.get(n) or (np.nan,) * 4 for n in numbers]
    return VideoSequence(name, tuple(pictures[n] for n in numbers), np.array(rows, np.float64), source, label=label)


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of a folder in natural order of their names; raises DataError if there are none."""
    found = list_pictures(folder)
    if not found:
        raise DataError(f"{folder} holds no pictures; say where they are with --images")
    return found


def safe_name(name: str) -> str:
    """Turn any text into a folder name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name).strip(".") or "track"
