"""The frozen settings of a tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixformer.configs.base_config import BaseConfig


@dataclass(frozen=True)
class TrackerConfig(BaseConfig):
    """Settings of a tracker; the defaults are the official MixFormerV2 ones.

    Attributes:
        search_factor: side of the search crop in units of sqrt(w * h); larger follows faster motion but
            shows the target smaller.
        template_factor: side of a template crop in the same units.
        update: what becomes the online template every `update_interval` frames. "score" = the best frame since the last
            time, if its score is high enough, else the initial template; needs a score head, without one as "never".
            "interval" = that frame, with any score (official MixFormer trackers without score head). "never" =
            nothing: the online template stays the initial one.
        update_interval: frames between updates; 0 = never update.
        online_templates: number of online templates kept (a ring; the first one starts as the initial template).
        score_threshold: a frame is a candidate of "score" only with a score above this (0..1).
        score_decay: factor on the best score so far, applied each frame; below 1 favors recent frames.
        margin: pixels of the box that must stay inside the frame, and its smallest side.
        rules: what is done about a target that seems to be gone. "official" = nothing, as in the papers: its box goes
            where the network says. "careful" = templates are stored only while the status is "tracking", and a lost
            target is waited for where it was last and searched for; needs a score head.
        lost_below: score (0..1) below which a frame counts as one without the target.
        sure_above: score (0..1) from which on a frame counts as one with the target; at least `lost_below`.
        lost_after: number of such frames in a row after which the target is "lost".
        found_after: number of sure frames in a row after which a lost target is "tracking" again.
        redetect: where "careful" rules search for a lost target: "off" = only where it was last; "local" = around that
            place, farther every frame; "frame" = also in the whole frame after a cut to another picture.
        found_above: score (0..1) from which on a place that the search came upon is looked at again in the next frame;
            the target is found if that is sure as well. The search looks by the first template alone and by all
            templates, in turns.
        search_budget: most search crops of one target in one frame, 1 to 64. Usually two are used while it is lost.

    Example:
        >>> from mixformer import TrackerConfig
        >>> TrackerConfig(update="never").replace(search_factor=5.0).search_factor
        5.0
        >>> TrackerConfig(score_threshold=2)
        Traceback (most recent call last):
        mixformer.errors.ConfigError: TrackerConfig: score_threshold must be in [0, 1]
    """

    search_factor: float = 4.5
    template_factor: float = 2.0
    update_interval: int = 200
    online_templates: int = 1
    score_threshold: float = 0.5
    score_decay: float = 1.0
    margin: float = 10.0
    update: Literal["score", "interval", "never"] = "score"
    rules: Literal["official", "careful"] = "official"
    lost_below: float = 0.3
    sure_above: float = 0.6
    lost_after: int = 3
    found_after: int = 2
    redetect: Literal["off", "local", "frame"] = "frame"
    found_above: float = 0.8
    search_budget: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.search_factor > 0, "search_factor must be above 0")
        self._require(self.template_factor > 0, "template_factor must be above 0")
        self._bound(0.1, 100, "search_factor", "template_factor")
        self._require(self.update_interval >= 0, "update_interval must be 0 (never) or more")
        self._require(self.online_templates >= 1, "online_templates must be at least 1")
        self._bound(1, 100, "online_templates")
        self._require(0 <= self.score_threshold <= 1, "score_threshold must be in [0, 1]")
        self._require(0 < self.score_decay <= 1, "score_decay must be in (0, 1]")
        self._require(self.margin > 0, "margin must be above 0")
        self._bound(1e-3, 1e5, "margin")
        self._require(0 <= self.lost_below <= self.sure_above <= 1, "0 <= lost_below <= sure_above <= 1 must hold")
        self._require(0 <= self.found_above <= 1, "found_above must be in [0, 1]")
        self._bound(1, 10_000, "lost_after", "found_after")
        self._bound(1, 64, "search_budget")
