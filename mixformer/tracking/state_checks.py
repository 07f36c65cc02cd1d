"""Check a state that was read: a file may be damaged, or edited by hand."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from mixformer.configs.base_config import fits
from mixformer.errors import shown
from mixformer.types import Box

if TYPE_CHECKING:
    from mixformer.tracking.state import TrackState

_HIGHEST_LOGIT = 14.0  # of a score that is a probability to six decimals
_MOST_ALIKE = 1.001  # a mean of cosines may be a little above 1


def four_numbers(values: Any) -> Box:
    """Make a box of a list of four finite numbers. Raises ValueError for anything else."""
    if not isinstance(values, list) or not fits(tuple[float, float, float, float], tuple(values)):
        raise ValueError(f"a box is a list of four numbers, not {shown(values)}")
    return Box(*map(float, values))


def check_read_state(state: TrackState) -> None:
    """Check that a tracker could have left this state. Raises ValueError if not."""
    presence, buffer = state.presence, state.template_buffer
    # 1. Numbers and boxes.
    _demand(fits(int, state.frame_index) and state.frame_index >= 0, "frame_index", state.frame_index)
    _demand(fits(tuple[int, int], state.frame_size) and min(state.frame_size) >= 1, "frame_size", state.frame_size)
    for part in (buffer, presence, presence.said):
        _check_fields(part)
    for box in filter(None, (state.box, presence.sure_box, presence.found_box)):
        _demand(min(box.w, box.h) > 0, "box", list(box))  # whether it can be tracked is for the tracker to say
    _demand(abs(presence.usual) <= _HIGHEST_LOGIT, "usual", presence.usual)
    _demand(abs(presence.likeness) <= _MOST_ALIKE, "likeness", presence.likeness)
    # 2. Pictures, and the counters that belong to them.
    _demand(_is_picture(state.templates, 4) and len(state.templates) >= 2, "templates", _form(state.templates))
    _demand(state.candidate_crop is None or _is_picture(state.candidate_crop, 3), "candidate_crop", "another form")
    _demand(buffer.count == len(state.templates) - 1, "count", buffer.count)
    _demand(buffer.next_slot < buffer.count, "next_slot", buffer.next_slot)


def _check_fields(part: Any) -> None:
    """Check the types of a dataclass; whole numbers are counters."""
    hints = get_type_hints(type(part))
    for name in (field.name for field in fields(part)):
        value = getattr(part, name)
        _demand(fits(hints[name], value) and (hints[name] is not int or value >= 0), name, value)


def _is_picture(pixels: Any, dimensions: int) -> bool:
    """Tell whether an array holds a picture, or several of one size: uint8 (..., h, w, 3)."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != dimensions:
        return False
    return pixels.shape[-1] == 3 and pixels.size > 0


def _form(pixels: Any) -> str:
    return f"{getattr(pixels, 'dtype', type(pixels).__name__)} {getattr(pixels, 'shape', '')}"


def _demand(condition: bool, name: str, value: Any) -> None:
    if not condition:
        raise ValueError(f"{name} cannot be {shown(value)}")
