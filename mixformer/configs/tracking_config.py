"""The frozen settings of a tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixformer.configs.base_config import BaseConfig


@dataclass(frozen=True)
class TrackerConfig(BaseConfig):
    """Settings of a tracker; the defaults are the official MixFormerV2 ones.

    Attributes:
        search_factor: side of the search crop in units of sqrt(w * h), 0.1 to 100. A larger crop follows faster motion
            but shows the target smaller.
        template_factor: side of a template crop in the same units.
        update: which frame becomes an online template every `update_interval` frames. "score" = the best frame since
            the last update if its score is high enough, else the initial template; the same as "never" for a model
            without a score head. "interval" = the current frame, with any score (official MixFormer trackers without
            score head). "never" = none.
        update_interval: frames between updates; 0 = never update.
        online_templates: number of online templates, 1 to 100. The first one starts as the initial template; when all
            are there, the oldest is replaced.
        score_threshold: for "score", the score (0..1) that a frame must exceed.
        score_decay: factor on the best score so far, applied each frame, above 0 and at most 1; below 1 favors recent
            frames.
        margin: pixels of the box that must stay inside the frame, and its smallest side.
        rules: how to treat a target that seems to be gone. "official" = as in the papers: the box follows the network.
            "careful" = templates are stored only while the status is "tracking"; the box of a lost target stays at its
            last place, and the tracker searches for it. A model without a score head always uses "official".
        lost_below: a frame with a score (0..1) below this counts as one without the target.
        sure_above: a frame with at least this score (0..1) counts as one with the target; at least `lost_below`.
        lost_after: number of frames in a row without the target after which it is "lost".
        found_after: number of frames in a row with the target after which a lost one is "tracking" again.
        redetect: where "careful" rules search for a lost target: "off" = only at its last place; "local" = around that
            place, farther every frame; "frame" = also in the whole frame, after a cut or ten frames.
        found_above: least score (0..1) of a place that the search accepts, lowered by `likeness_weight`. The next frame
            looks there again; the target is found if that score is sure as well. The search uses the first template
            only and all templates in turns.
        search_glances: number of places that look like the target at a glance (shape and color in a small copy of the
            frame), 0 to 64. With "frame", after a cut or ten frames, the search takes one of them and one of the
            windows that cover the frame, by turns.
        search_budget: largest number of search crops for one target in one frame, 1 to 64. Usually two are used while
            it is lost.
        likeness_weight: logits by which "careful" rules lower the score for each unit of likeness below
            `likeness_usual`; 0 = do not compare. See `mixformer.tracking.likeness`.
        likeness_usual: likeness (-1..1) of the box to the initial template that leaves the score as it is.
        likeness_interval: frames between two comparisons of a target that is surely tracked; others are compared in
            every frame.

    Raises ConfigError if a value is out of range.

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
    search_glances: int = 8
    search_budget: int = 4
    likeness_weight: float = 0.0
    likeness_usual: float = 0.8
    likeness_interval: int = 8

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
        self._bound(1, 10_000, "lost_after", "found_after", "likeness_interval")
        self._bound(0, 1000, "likeness_weight")
        self._bound(-1, 1, "likeness_usual")
        self._bound(0, 64, "search_glances")
        self._bound(1, 64, "search_budget")
