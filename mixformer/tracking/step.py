"""One step of tracking: crop, locate, map back and update, as functions of a target's state.

`Tracker` and `MultiTracker` differ only in the number of states. The steps are those of the official trackers,
`lib/test/tracker/*_online.py` of MixFormer and MixFormerV2.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Engine
from mixformer.errors import FrameError, StateError
from mixformer.imaging.boxes import clip_to_frame, require_bounds, require_overlap
from mixformer.imaging.crop import crop_target, cut_candidate, to_frame
from mixformer.tracking.careful import is_cut, thumbnail, windows_to_search
from mixformer.tracking.likeness import likeness
from mixformer.tracking.presence import Presence, doubt, judge, unlike
from mixformer.tracking.state import TrackState
from mixformer.tracking.template_update import update_policy
from mixformer.types import Box, Image, TrackResult

log = logging.getLogger(__name__)

Resize = Literal["error", "rescale"]
_warned: set[int] = set()  # ids of engines that returned NaN or infinity


@dataclass(frozen=True)
class SearchResult:
    """The network's answer for one search crop."""

    crop_box: tuple[float, float, float, float]  # center x, center y, width, height as fractions of the search crop
    mapped: Box  # the same box in pixels of the frame, xywh, before it is clipped
    box: Box  # the box after clipping to the frame
    score: float | None  # probability (0..1) that the box holds the target; None for a model without a score head


@dataclass(frozen=True)
class TrackingStep:
    """The steps that move a target's state from one frame to the next. Each takes a state and returns a new one."""

    engine: Engine  # runs the network
    config: TrackerConfig  # settings of the tracker
    on_resize: Resize = "error"  # action for a new frame size: "error", or "rescale" the box with the frame

    def start(self, image: Image, box: Box) -> TrackState:
        """Make the state of a target that is chosen in an image, RGB uint8 (H, W, 3), by a box in pixels.

        Raises BoxError if the box is outside the frame.
        """
        height, width = image.shape[:2]
        require_overlap(box, height, width)
        template, _ = crop_target(image, box, self.config.template_factor, self.engine.config.template_size)
        templates = np.stack([template, template])
        memory = self._encode(templates)
        state = TrackState(box, 0, (height, width), templates, memory=memory, encoder=_finder(self.engine))
        if self.config.rules != "careful":
            return state
        presence = Presence(sure_box=box, thumbnail=thumbnail(image))
        return replace(state, presence=presence, first_memory=memory)

    def check(self, state: TrackState) -> TrackState:
        """Return the state if it fits the model, without the memory of another engine.

        Raises StateError if it is not a state, or has templates of another size, and BoxError if its box cannot be
        tracked.
        """
        if not isinstance(state, TrackState):
            raise StateError(f"a state must be a mixformer.TrackState, not {type(state).__name__}")
        require_bounds(state.box)
        size = self.engine.config.template_size
        if state.templates.shape[1:] != (size, size, 3):
            raise StateError(
                f"this state has templates of {state.templates.shape[1:]}, but the model {self.engine.config.name} "
                f"needs ({size}, {size}, 3); use the model that the state was made with"
            )
        if state.encoder is None or state.encoder() is not self.engine:
            return state.without_memory()
        return state

    def ready(self, state: TrackState, image: Image) -> TrackState:
        """Fit the state to the size of the next frame, and encode its templates if it has no memory.

        Raises FrameError if the size changed and `on_resize` is "error".
        """
        state = self._fit(state, *image.shape[:2])
        if state.memory is None:
            state = replace(state, memory=self._encode(state.templates), encoder=_finder(self.engine))
        if state.first_memory is None and self.config.rules == "careful":
            first = np.stack([state.templates[0]] * 2)
            state = replace(state, first_memory=self._encode(first))
        return state

    def _fit(self, state: TrackState, height: int, width: int) -> TrackState:
        if (height, width) == state.frame_size:
            return state
        old_height, old_width = state.frame_size
        if self.on_resize == "error":
            raise FrameError(
                f"the frames changed from {old_width} x {old_height} to {width} x {height} pixels; call init again, or "
                "make the tracker with on_resize='rescale'"
            )
        sx, sy = width / old_width, height / old_height
        x, y, w, h = state.box
        box, presence = Box(x * sx, y * sy, w * sx, h * sy), state.presence.scaled(sx, sy)
        return replace(state, box=box, frame_size=(height, width), presence=presence)

    def search(
        self, images: Sequence[Image], states: Sequence[TrackState], memory: Any, rows: int = 0
    ) -> list[SearchResult]:
        """Locate each target around `state.window`, in one batch.

        If a damaged model predicts NaN or infinity, the result is the old box with score 0.

        Args:
            images: frame of each target, RGB uint8 (H, W, 3); it may be the same for all.
            states: states of the targets.
            memory: their encoded templates as one batch of max(rows, number of states) rows.
            rows: least number of rows of the batch; rows after the targets are black.
        """
        return self._look(images, [state.window for state in states], memory, rows)

    def _look(self, images: Sequence[Image], windows: Sequence[Box], memory: Any, rows: int = 0) -> list[SearchResult]:
        """Locate a target in the crop around each box."""
        size = self.engine.config.search_size
        regions = np.zeros((max(rows, len(windows)), size, size, 3), np.uint8)
        scales = []
        for row, (image, window) in enumerate(zip(images, windows, strict=True)):
            regions[row], scale = crop_target(image, window, self.config.search_factor, size)
            scales.append(scale)
        found = self.engine.locate(regions, memory)
        scores = [None] * len(windows) if found.scores is None else [_sigmoid(float(v)) for v in found.scores]
        rest = zip(images, windows, scales, found.boxes, scores, strict=False)
        return [self._place(image, window, scale, box, score) for image, window, scale, box, score in rest]

    def _place(self, image: Image, window: Box, scale: float, found: Any, score: float | None) -> SearchResult:
        cx, cy, w, h = (float(v) for v in found)
        if not all(math.isfinite(v) for v in (cx, cy, w, h, 0.0 if score is None else score)):
            _warn_once(self.engine)
            return SearchResult((cx, cy, w, h), window, window, 0.0)
        mapped = to_frame((cx, cy, w, h), window, scale, self.engine.config.search_size)
        box = clip_to_frame(mapped, image.shape[0], image.shape[1], self.config.margin)
        return SearchResult((cx, cy, w, h), mapped, box, score)

    def advance(self, image: Image, state: TrackState, found: SearchResult) -> tuple[TrackState, TrackResult]:
        """Return the state after a frame, and its result.

        A candidate is only cut out here. It is resized when it is stored, and templates are encoded only when they
        change.
        """
        # 1. Judge the score, and move the box.
        careful = self.config.rules == "careful" and found.score is not None
        state = self._judged(image, state, found) if careful else self._followed(state, found)
        # 2. Update the templates; careful rules do so only while the target is tracked.
        sure = not careful or state.presence.status == "tracking"
        state, updated = self._with_template(image, state, found) if sure else (state, False)
        # 3. Choose the score and the status that the result reports.
        score, status = found.score, state.presence.status
        if careful and found.score is not None:
            state = self._compared(image, state, found.score)
            presence, score = doubt(state.presence, found.score, self.config)
            state, status = replace(state, presence=presence), presence.said.status
        crop_box = found.crop_box
        return state, TrackResult(state.box, score, state.frame_index, updated, crop_box=crop_box, status=status)

    def _compared(self, image: Image, state: TrackState, score: float) -> TrackState:
        """Compare what the box shows with the initial template: now and then, and in every frame that is in doubt.

        A score below `lost_below` needs no second opinion.
        """
        sure = state.presence.said.status == "tracking" and score >= self.config.sure_above
        due = not sure or state.frame_index % self.config.likeness_interval == 0
        if not due or score < self.config.lost_below:
            return state
        state, value = self._likeness(image, state, state.box)
        return replace(state, presence=replace(state.presence, likeness=value))

    def _likeness(self, image: Image, state: TrackState, box: Box) -> tuple[TrackState, float]:
        """Return the likeness of what a box shows to the initial template, and the state that knows that template.

        An engine from outside may lack `describe`; then all boxes are alike.
        """
        describe = getattr(self.engine, "describe", None)  # see DescribingEngine
        if not self.config.likeness_weight or describe is None:
            return state, 1.0
        first = describe(state.templates[0]) if state.first_look is None else state.first_look
        crop, _ = crop_target(image, box, self.config.template_factor, self.engine.config.template_size)
        return replace(state, first_look=first), likeness(first, describe(crop))

    def _followed(self, state: TrackState, found: SearchResult) -> TrackState:
        """Return the next state by the official rules: the box follows the network."""
        presence = judge(state.presence, found.score, self.config)
        return replace(state, box=found.box, frame_index=state.frame_index + 1, presence=presence)

    def _judged(self, image: Image, state: TrackState, found: SearchResult) -> TrackState:
        """Return the next state by the careful rules: the box of a lost target stays, and the frame is searched.

        If the score is at least half of `lost_below`, the box still follows the network.
        """
        # 1. Judge the frame. A cut to a scene without the target makes it lost at once.
        before, small = state.presence, thumbnail(image)
        presence = judge(before, found.score, self.config)
        if is_cut(before.thumbnail, small):
            presence = replace(presence, cut=True)
            if presence.low:
                presence = replace(presence, status="lost", looked=0, lost_frames=max(1, presence.lost_frames))
        presence = replace(presence, thumbnail=small, found_box=None)
        # 2. Choose the box, and search for a lost target.
        box = found.box
        if presence.status == "tracking" and presence.high:
            presence = replace(presence, sure_box=box, cut=False, looked=0)
        elif presence.status == "lost":
            hopeless = (found.score or 0.0) < 0.5 * self.config.lost_below
            box = (presence.sure_box or state.box) if hopeless else found.box
            if presence.low:
                state, presence = self._searched(image, state, presence)
        return replace(state, box=box, frame_index=state.frame_index + 1, presence=presence)

    def _searched(self, image: Image, state: TrackState, presence: Presence) -> tuple[TrackState, Presence]:
        """Search for a lost target in more windows, with the initial template only and with all templates, in turns.

        The initial template is surely right; the others show the target as it was before it was lost. A place is
        accepted if its score is high enough after it was lowered by what is unlike the initial template.
        """
        first = presence.looked // 2 % 2 == 0
        places = windows_to_search(presence, image, state.templates[0 if first else -1], self.config)
        if not places:
            return state, presence
        memory = state.first_memory if first else state.memory
        found = self._look([image] * len(places), places, self.engine.join([memory] * len(places)))
        best, accepted = max(found, key=lambda each: each.score or 0.0), None
        if (best.score or 0.0) >= self.config.found_above:
            state, value = self._likeness(image, state, best.box)
            score = unlike(value, best.score or 0.0, self.config)
            accepted = best.box if score >= self.config.found_above else None
        return state, replace(presence, looked=presence.looked + len(places), found_box=accepted)

    def _with_template(self, image: Image, state: TrackState, found: SearchResult) -> tuple[TrackState, bool]:
        """Update the templates and counters; return the state, and whether a template was stored."""
        update = update_policy(state.template_buffer, found.score, state.frame_index, self.config)
        state = replace(state, template_buffer=update.buffer)
        if update.take:
            size = self.engine.config.template_size
            crop = cut_candidate(image, found.box, self.config.template_factor, size)
            state = replace(state, candidate_crop=crop)
        if not update.commit:
            return state, False
        templates = state.committed(update.slot)
        if not np.array_equal(templates, state.templates):
            state = replace(state, templates=templates, memory=self._encode(templates))
        return replace(state, candidate_crop=None), True

    def _encode(self, templates: Image) -> Any:
        return self.engine.remember(templates[None])


def _finder(engine: Engine) -> Callable[[], Engine | None]:
    """Return a function that gives the engine as long as it lives."""
    try:
        return weakref.ref(engine)
    except TypeError:  # an engine from outside may not allow weak references
        return lambda: engine


def _warn_once(engine: Engine) -> None:
    """Warn once for each engine that its model is damaged."""
    if id(engine) not in _warned:
        _warned.add(id(engine))
        with suppress(TypeError):  # an engine from outside may not allow weak references
            weakref.finalize(engine, _warned.discard, id(engine))
        log.warning(
            "the model %s predicts NaN or infinity, so boxes stay where they are and scores are 0; its weights are "
            "damaged: download them again, or train with a smaller learning rate",
            engine.config.name,
        )


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
