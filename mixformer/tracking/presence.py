"""Judge from frame to frame whether the target is there: tracking, uncertain or lost.

The judgment is a function of the scores so far, with a memory of its own in `Presence`. What a tracker does about it,
to wait and to search, is in `mixformer.tracking.careful`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, get_args

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.types import Box, Status

_HOPELESS = 0.1  # part of `lost_below` under which one frame counts as two


@dataclass(frozen=True)
class Presence:
    """Knowledge about the presence of a target.

    Attributes:
        status: "tracking", "uncertain" or "lost".
        low: number of frames in a row whose score is below `lost_below`; very low ones count twice.
        high: number of frames in a row whose score is at least `sure_above`.
        sure_box: last box with such a score, in pixels; None before there is one.
        lost_frames: number of frames since the target was lost; 0 as soon as the status is "tracking" again.
        looked: number of windows that the search has looked at since then.
        cut: the picture changed all at once since the last sure frame, so the target may be anywhere.
        found_box: where the search came upon something like the target; the next frame looks there again.
        thumbnail: brightness (0..255) of a coarse grid of places in the last frame, to notice a cut.
    """

    status: Status = "tracking"
    low: int = 0
    high: int = 0
    sure_box: Box | None = None
    lost_frames: int = 0
    looked: int = 0
    cut: bool = False
    found_box: Box | None = None
    thumbnail: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read the dictionary that `dataclasses.asdict` makes, after its way through JSON."""
        boxes = {name: values[name] and Box(*map(float, values[name])) for name in ("sure_box", "found_box")}
        if values["status"] not in get_args(Status):
            raise ValueError(f"status {values['status']!r}")
        return cls(**{**values, **boxes, "thumbnail": tuple(map(int, values["thumbnail"]))})

    def scaled(self, sx: float, sy: float) -> Presence:
        """The same in a frame of another size."""
        boxes = (self.sure_box, self.found_box)
        sure, found = (box and Box(box.x * sx, box.y * sy, box.w * sx, box.h * sy) for box in boxes)
        return replace(self, sure_box=sure, found_box=found)


def judge(presence: Presence, score: float | None, config: TrackerConfig) -> Presence:
    """Return the presence after a frame with this score; only the status and counters change.

    A target is lost after `lost_after` frames in a row below `lost_below`. It is "uncertain" in the first sure frame
    after that, and "tracking" again after `found_after` of them in a row. Scores between the two thresholds change
    nothing.

    Args:
        presence: the presence before the frame.
        score: probability (0..1) that the box holds the target; None, of a model without a score head, changes nothing.
        config: thresholds and counts.

    Example:
        >>> from mixformer import TrackerConfig
        >>> presence = Presence()
        >>> for score in (0.9, 0.2, 0.2, 0.2, 0.9, 0.9):
        ...     presence = judge(presence, score, TrackerConfig())
        ...     print(presence.status)
        tracking
        uncertain
        uncertain
        lost
        uncertain
        tracking
    """
    if score is None:
        return presence
    weight = 2 if score < _HOPELESS * config.lost_below else 1
    low = presence.low + weight if score < config.lost_below else 0
    high = presence.high + 1 if score >= config.sure_above else 0
    status = presence.status
    if high:
        steady = status == "tracking" or high >= config.found_after
        status = "tracking" if steady else "uncertain"
    elif low and status != "lost":
        on_trial = presence.lost_frames > 0  # it was found a moment ago
        status = "lost" if on_trial or low >= config.lost_after else "uncertain"
    begins = status == "lost" or (status == "uncertain" and presence.lost_frames > 0)
    lost_frames = presence.lost_frames + 1 if begins else 0
    return replace(presence, status=status, low=low, high=high, lost_frames=lost_frames)
