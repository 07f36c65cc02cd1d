"""One step of tracking: crop, locate, map back and update, as functions of a target's state.

`Tracker` and `MultiTracker` differ only in how many states they keep. The steps are those of the official trackers,
`lib/test/tracker/*_online.py` of MixFormer and MixFormerV2.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Engine
from mixformer.errors import FrameError, StateError
from mixformer.imaging.boxes import clip_to_frame, require_bounds, require_overlap
from mixformer.imaging.crop import crop_target, cut_candidate, to_frame
from mixformer.tracking.state import TrackState
from mixformer.tracking.template_update import update_policy
from mixformer.types import Box, Image

log = logging.getLogger(__name__)

Resize = Literal["error", "rescale"]
_warned: set[int] = set()  # engines that gave numbers which are not finite


@dataclass(frozen=True)
class SearchResult:
    """The target as the network finds it in one search crop."""

    crop_box: tuple[float, float, float, float]  # center x, center y, width, height as fractions of the search crop
    mapped: Box  # the same box in pixels of the frame, xywh, before it is clipped
    box: Box  # the box after clipping to the frame
    score: float | None  # probability (0..1) that the box holds the target; None for a model without a score head


@dataclass(frozen=True)
class TrackingStep:
    """The steps that move a target's state from one frame to the next. States go in, and new states come out."""

    engine: Engine  # runs the network
    config: TrackerConfig  # settings of the tracker
    on_resize: Resize = "error"  # what a new frame size means: "error", or "rescale" the box with the frame

    def start(self, image: Image, box: Box) -> TrackState:
        """Make the state of a target chosen in RGB uint8 (H, W, 3).

        Raises BoxError if the box is outside the frame.
        """
        height, width = image.shape[:2]
        require_overlap(box, height, width)
        template, _ = crop_target(image, box, self.config.template_factor, self.engine.config.template_size)
        templates = np.stack([template, template])
        return TrackState(box, 0, (height, width), templates, memory=self._encode(templates))

    def check(self, state: TrackState) -> TrackState:
        """Return the state itself if it fits the model.

        Raises StateError if it is none, or belongs to a model with another size of templates, and BoxError if its box
        cannot be tracked.
        """
        if not isinstance(state, TrackState):
            raise StateError(f"a state is a mixformer.TrackState, not {type(state).__name__}")
        require_bounds(state.box)
        size = self.engine.config.template_size
        if state.templates.shape[1:] != (size, size, 3):
            raise StateError(
                f"this state has templates of {state.templates.shape[1:]}, the model {self.engine.config.name} "
                f"needs ({size}, {size}, 3); it belongs to another model"
            )
        return state

    def ready(self, state: TrackState, image: Image) -> TrackState:
        """Fit the state to the size of the next frame, and encode its templates if they are not.

        Raises FrameError if the size changed and `on_resize` is "error".
        """
        state = self._fit(state, *image.shape[:2])
        return state if state.memory is not None else replace(state, memory=self._encode(state.templates))

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
        return replace(state, box=Box(x * sx, y * sy, w * sx, h * sy), frame_size=(height, width))

    def search(
        self, images: Sequence[Image], states: Sequence[TrackState], memory: Any, rows: int = 0
    ) -> list[SearchResult]:
        """Locate every target around its last box, in one batch.

        A prediction that is not finite (a damaged model) keeps the box and gets the score 0.

        Args:
            images: frame of each target; targets of one video share theirs.
            states: of the targets.
            memory: their encoded templates as one batch of max(rows, number of states) rows.
            rows: smallest size of the batch; rows beyond the targets are black.
        """
        size = self.engine.config.search_size
        regions = np.zeros((max(rows, len(states)), size, size, 3), np.uint8)
        scales = []
        for row, (image, state) in enumerate(zip(images, states, strict=True)):
            regions[row], scale = crop_target(image, state.box, self.config.search_factor, size)
            scales.append(scale)
        found = self.engine.locate(regions, memory)
        scores = [None] * len(states) if found.scores is None else [_sigmoid(float(v)) for v in found.scores]
        rest = zip(images, states, scales, found.boxes, scores, strict=False)
        return [self._place(image, state, scale, box, score) for image, state, scale, box, score in rest]

    def _place(self, image: Image, state: TrackState, scale: float, found: Any, score: float | None) -> SearchResult:
        cx, cy, w, h = (float(v) for v in found)
        if not all(math.isfinite(v) for v in (cx, cy, w, h, 0.0 if score is None else score)):
            _warn_once(self.engine)
            return SearchResult((cx, cy, w, h), state.box, state.box, 0.0)
        mapped = to_frame((cx, cy, w, h), state.box, scale, self.engine.config.search_size)
        box = clip_to_frame(mapped, image.shape[0], image.shape[1], self.config.margin)
        return SearchResult((cx, cy, w, h), mapped, box, score)

    def advance(self, image: Image, state: TrackState, found: SearchResult) -> tuple[TrackState, bool]:
        """Return the state after a frame, and whether a template was stored in it.

        The candidate is only cut out here. It is resized when it is stored, and templates are encoded only when they
        change.
        """
        index = state.frame_index + 1
        update = update_policy(state.template_buffer, found.score, index, self.config)
        state = replace(state, box=found.box, frame_index=index, template_buffer=update.buffer)
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


def _warn_once(engine: Engine) -> None:
    """Say that a model is damaged, once for each engine."""
    if id(engine) not in _warned:
        _warned.add(id(engine))
        with suppress(TypeError):  # an engine of the caller's own may allow no such reference
            weakref.finalize(engine, _warned.discard, id(engine))
        log.warning(
            "the model %s gives numbers that are not finite, so boxes stay where they are and scores are 0; its "
            "weights are damaged: get them again, or train with a smaller learning rate",
            engine.config.name,
        )


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
