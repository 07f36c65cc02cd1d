"""Judge in every frame whether the target is there: tracking, uncertain or lost.

The judgment depends on the scores so far, which `Presence` sums up. `mixformer.tracking.careful` chooses where to
search for a lost target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.tracking.state_checks import four_numbers
from mixformer.types import Box, Status

J = TypeVar("J", bound="Judgment")
_USUAL = 1.0  # usual logit of a right box, a score of 0.73, before scores of the target are known
_FORGET = 0.05  # least weight of a sure frame in the mean
_GIVE_IN = 0.02  # weight of a doubtful frame in the mean, so that a new look of the target becomes usual after a while
_SLACK = 0.6  # logits below the usual one that do not lower a score
_DOUBT = 2.0  # logits by which a score is lowered for each logit below that
_LOWEST = 700.0  # logits below 0 at which a score is 0 for every purpose; `math.exp` takes no more than 709
_HOPELESS = 0.1  # fraction of `lost_below`; a frame with a score below it counts twice


@dataclass(frozen=True)
class Judgment:
    """The state of a target by its scores so far.

    Attributes:
        status: "tracking", "uncertain" or "lost".
        low: number of frames in a row whose score is below `lost_below`; very low ones count twice.
        high: number of frames in a row whose score is at least `sure_above`.
        lost_frames: number of frames since the target was lost; 0 as soon as the status is "tracking" again.
    """

    status: Status = "tracking"
    low: int = 0
    high: int = 0
    lost_frames: int = 0


@dataclass(frozen=True)
class Presence(Judgment):
    """All that is known about the presence of a target.

    `status` and the counters follow the network's scores and control the box. `said` follows the scores relative to the
    usual score of this target; results report it.

    Attributes:
        sure_box: last box with a sure score, in pixels; None before there is one.
        looked: number of windows that were searched since the target was lost.
        cut: there was a cut since the last sure frame, so the target may be anywhere.
        found_box: box in pixels that the search found in the last frame, where the next frame looks again, or None.
        usual: mean logit of the score in sure frames.
        sure_frames: number of frames in that mean.
        said: judgment by the scores relative to the usual one.
        thumbnail: brightness (0..255) at a coarse grid of places in the last frame, to detect a cut.
        likeness: likeness (-1..1) of the box to the initial template when they were last compared.
    """

    sure_box: Box | None = None
    looked: int = 0
    cut: bool = False
    found_box: Box | None = None
    usual: float = _USUAL
    sure_frames: int = 0
    said: Judgment = Judgment()
    thumbnail: tuple[int, ...] = ()
    likeness: float = 1.0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read the result of `dataclasses.asdict` after it was saved as JSON. Raises ValueError for what is no box."""
        given = {name: values[name] for name in ("sure_box", "found_box")}
        boxes = {name: None if box is None else four_numbers(box) for name, box in given.items()}
        said = Judgment(**values["said"]) if "said" in values else Judgment(values["status"])
        return cls(**{**values, **boxes, "said": said, "thumbnail": tuple(values["thumbnail"])})

    def scaled(self, sx: float, sy: float) -> Presence:
        """Return the presence in a frame that is `sx` times as wide and `sy` times as high."""
        boxes = (self.sure_box, self.found_box)
        sure, found = (box and Box(box.x * sx, box.y * sy, box.w * sx, box.h * sy) for box in boxes)
        return replace(self, sure_box=sure, found_box=found)


def confidence(presence: Presence, score: float, config: TrackerConfig) -> float:
    """Lower a score (0..1) that is unusually low for this target, or whose box is unlike the initial template.

    The network gives each target its own level, such as 0.95 to one person and 0.8 to the next. So a fall below the
    usual level tells more than the score itself. If the logit is more than 0.6 below the usual one, it is lowered by 2
    for each further logit. It is lowered by `likeness_weight` for each unit of likeness below `likeness_usual`. Other
    scores stay as they are.

    Example:
        >>> from mixformer import TrackerConfig
        >>> used_to_more, settings = Presence(usual=3.0), TrackerConfig(likeness_weight=10)
        >>> [round(confidence(used_to_more, score, settings), 2) for score in (0.95, 0.9, 0.75, 0.5)]
        [0.95, 0.86, 0.18, 0.01]
        >>> round(confidence(Presence(likeness=0.5), 0.9, settings), 2)
        0.31
    """
    unusual = _DOUBT * max(0.0, presence.usual - _logit(score) - _SLACK)
    return unlike(presence.likeness, score, config, unusual)


def unlike(likeness: float, score: float, config: TrackerConfig, more: float = 0.0) -> float:
    """Lower a score (0..1) of a box that is unlike the initial template: by `likeness_weight` logits for each unit.

    It is lowered by `more` logits besides.
    """
    lowered = more + config.likeness_weight * max(0.0, config.likeness_usual - likeness)
    return 1 / (1 + math.exp(min(lowered - _logit(score), _LOWEST))) if lowered else score


def remember_usual(presence: Presence, score: float, config: TrackerConfig) -> Presence:
    """Update the usual score of the target with the network's score (0..1) of a frame, if the network was sure.

    Args:
        presence: the presence after the frame.
        score: the score of the network, not lowered.
        config: `sure_above`.
    """
    if score < config.sure_above:
        return presence
    sure = presence.said.status == "tracking" and presence.said.high > 0
    weight = max(_FORGET, 1 / (presence.sure_frames + 2)) if sure else _GIVE_IN
    usual = presence.usual + weight * (_logit(score) - presence.usual)
    return replace(presence, usual=usual, sure_frames=presence.sure_frames + sure)


def _logit(score: float) -> float:
    return math.log(max(score, 1e-6) / max(1 - score, 1e-6))


def doubt(presence: Presence, score: float, config: TrackerConfig) -> tuple[Presence, float]:
    """Judge a frame by its score relative to the usual score; only `said` and the usual score change.

    Args:
        presence: the presence after `judge`, with `cut` set.
        score: probability (0..1) of the network.
        config: thresholds and counts.

    Returns:
        The new presence, and the score (0..1) after `confidence`.
    """
    seen = confidence(presence, score, config)
    said = judge(presence.said, seen, config)
    if presence.cut and said.low:  # another scene without the target
        said = replace(said, status="lost", lost_frames=max(1, said.lost_frames))
    return remember_usual(replace(presence, said=said), score, config), seen


def judge(presence: J, score: float | None, config: TrackerConfig) -> J:
    """Return the judgment after a frame with this score; only the status and counters change.

    A target is lost after `lost_after` frames in a row below `lost_below`. It is "uncertain" in the first sure frame
    after that, and "tracking" again after `found_after` sure frames in a row. Scores between the two thresholds do not
    change the status.

    Args:
        presence: the judgment or presence before the frame.
        score: probability (0..1) that the box holds the target; None (a model without a score head) changes nothing.
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
    # 1. Count frames in a row.
    weight = 2 if score < _HOPELESS * config.lost_below else 1
    low = presence.low + weight if score < config.lost_below else 0
    high = presence.high + 1 if score >= config.sure_above else 0
    # 2. Decide the status.
    status: Status = presence.status
    if high:
        steady = status == "tracking" or high >= config.found_after
        status = "tracking" if steady else "uncertain"
    elif low and status != "lost":
        on_trial = presence.lost_frames > 0  # found again, but not yet often enough
        status = "lost" if on_trial or low >= config.lost_after else "uncertain"
    begins = status == "lost" or (status == "uncertain" and presence.lost_frames > 0)
    lost_frames = presence.lost_frames + 1 if begins else 0
    return replace(presence, status=status, low=low, high=high, lost_frames=lost_frames)
