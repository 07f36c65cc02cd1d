"""Check the values of a project, which come from Python, the page or a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from mixformer.annotation.project import AnnotatedVideo, AnnotationProject, KeyBox
from mixformer.annotation.tracked_rows import STATUSES, TrackedBox
from mixformer.errors import BoxError, ConfigError, shown
from mixformer.imaging.boxes import parse_box, require_bounds, require_overlap
from mixformer.types import Box

HIGHEST_ID = 10**9
"""Highest number of a target."""
_LONGEST_TEXT, _MOST_ATTRIBUTES = 200, 100
_JOINERS = "\u200c\u200d"


def check_project(value: Any) -> None:
    """Raise ConfigError if a value is no project."""
    if not isinstance(value, AnnotationProject):
        raise ConfigError(f"project must be a mixformer.annotation.AnnotationProject, not {shown(value, 60)}")


def check_id(value: Any) -> int:
    """Return the number of a target. Raises ConfigError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= HIGHEST_ID:
        raise ConfigError(f"the id of a target must be a whole number from 1 to {HIGHEST_ID}, not {shown(value, 60)}")
    return int(value)


def check_frame(value: Any, video: AnnotatedVideo) -> int:
    """Return the number of a frame of a video. Raises ConfigError if there is no such frame."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < video.frame_count:
        raise ConfigError(f"the video has frames 0 to {video.frame_count - 1}, and no frame {shown(value, 60)}")
    return int(value)


def check_box(values: Iterable[float], video: AnnotatedVideo) -> Box:
    """Return a person's box with 2 decimals. Raises BoxError if it is invalid or outside the picture."""
    box = Box(*(round(value, 2) + 0.0 for value in parse_box(values)))
    require_bounds(box)
    require_overlap(box, video.height, video.width)
    return box


def check_key(key: KeyBox, video: AnnotatedVideo) -> KeyBox:
    """Return a checked key box. Raises ConfigError if there is no such frame, and BoxError as `check_box`."""
    if not isinstance(key, KeyBox):
        raise ConfigError(f"a key box must be a mixformer.annotation.KeyBox, not {shown(key, 60)}")
    box = None if key.box is None else check_box(key.box, video)
    return KeyBox(check_frame(key.frame, video), box, bool(key.occluded) and box is not None)


def check_text(value: Any, what: str) -> str:
    """Return a text of one line. Raises ConfigError if it is none."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not all(map(_is_of_a_line, value)):
        raise ConfigError(
            f"{what} must be one line of up to {_LONGEST_TEXT} letters, without tabs, not {shown(value, 60)}"
        )
    return value


def _is_of_a_line(letter: str) -> bool:
    """Tell whether a letter may be in a line of text. Words of Persian and Hindi, and some emoji, need joiners."""
    return letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"


def check_label(value: Any) -> str:
    """Return the class of a target. Raises ConfigError if it is no text of one line."""
    return check_text(value, "a label").strip()


def check_color(value: Any) -> str:
    """Return a color in lower case. Raises ConfigError if it is none."""
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ConfigError(f"a color must be #rrggbb, not {shown(value, 60)}")
    return value.lower()


def check_attributes(values: Any) -> dict[str, str]:
    """Return the attributes of a target. Raises ConfigError if they are not texts by name."""
    if not isinstance(values, Mapping) or len(values) > _MOST_ATTRIBUTES:
        raise ConfigError(f"attributes must be up to {_MOST_ATTRIBUTES} texts by name, not {shown(values, 60)}")
    return {
        check_text(name, "the name of an attribute"): check_text(text, "an attribute") for name, text in values.items()
    }


def check_tracked(value: Any) -> TrackedBox | None:
    """Return a tracked box, or None. Raises ConfigError if it is something else, or holds something else."""
    if value is None:
        return None
    if not isinstance(value, TrackedBox):
        raise ConfigError(f"a tracked box must be a mixformer.annotation.TrackedBox or None, not {shown(value, 60)}")
    box, score, status = value
    if not isinstance(box, tuple | list) or len(box) != 4 or not all(isinstance(side, Real) for side in box):
        raise ConfigError(f"the box of a tracked box must be four numbers, not {shown(box, 60)}")
    if score is not None and (not isinstance(score, Real) or score < 0 or score > 1):
        raise ConfigError(f"a score must be a number from 0 to 1, or None, not {shown(score, 60)}")
    if status not in STATUSES:
        raise ConfigError(f"the status of a tracked box must be one of {', '.join(STATUSES)}, not {shown(status, 60)}")
    return value


def tracked_rows_of(rows: Any) -> list[TrackedBox | None]:
    """Return the tracked boxes of JSON rows `[x, y, w, h, score, status]`. Raises ConfigError if a row is invalid."""
    if not isinstance(rows, list | tuple):
        raise ConfigError(f"tracked boxes must be a list of rows, not {shown(rows, 60)}")
    return [None if row is None else _tracked_row(row) for row in rows]


def _tracked_row(row: Any) -> TrackedBox:
    if not isinstance(row, list | tuple) or not 4 <= len(row) <= 6:
        raise ConfigError(f"a tracked box must be [x, y, width, height, score, status], not {shown(row, 60)}")
    score, status = (*row[4:], None, None)[:2]
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1):
        raise ConfigError(f"a score must be a number from 0 to 1, or null, not {shown(score, 60)}")
    if status is not None and (type(status) is not int or not 0 <= status < len(STATUSES)):
        raise ConfigError(f"the status of a tracked box must be 0 to {len(STATUSES) - 1}, not {shown(status, 60)}")
    try:
        box = Box(*(float(value) for value in row[:4]))
        require_bounds(box)
    except (TypeError, ValueError, OverflowError) as error:
        raise BoxError(f"{shown(list(row[:4]), 60)} is no tracked box: {error}") from error
    return TrackedBox(box, None if score is None else float(score), STATUSES[status or 0])


def row_of(found: TrackedBox | None) -> list[float | None] | None:
    """Return the JSON row of a tracked box: `[x, y, w, h, score]`, and the status if it is not "tracking"."""
    if found is None:
        return None
    score = None if found.score is None else _short(round(float(found.score), 3))
    state = STATUSES.index(found.status)
    x, y, w, h = (round(float(value), 2) for value in found.box)
    return [*map(_short, (x, y, max(w, 0.01), max(h, 0.01))), score, *([state] if state else [])]


def _short(value: float) -> float:
    """Return whole numbers without a decimal point, which is shorter."""
    return int(value) if value.is_integer() else value
