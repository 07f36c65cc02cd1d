"""The tracker: one target, one box per frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mixformer.boxes import clip_to_frame, parse_box, require_overlap
from mixformer.config import TrackerConfig
from mixformer.crop import CropWindow, crop, to_frame
from mixformer.engines import Engine, as_engine
from mixformer.errors import ConfigError, FrameError, StateError
from mixformer.presets import tracker_config
from mixformer.tracking.frames import Color, as_rgb
from mixformer.tracking.state import TrackState
from mixformer.tracking.update import decide
from mixformer.types import Box, Image, TrackResult
from mixformer.variants import DEFAULT_MODEL

if TYPE_CHECKING:
    from mixformer.models import MixFormer

Resize = Literal["error", "rescale"]


@dataclass(frozen=True)
class Step:
    """One search step: the box in the crop and in the frame before and after clipping, and its score."""

    raw: tuple[float, float, float, float]
    mapped: Box
    box: Box
    score: float | None


class Tracker:
    """Follow one target: `init` with its box, then `update` with every following frame.

    The rules are the official ones (spec 3); all knowledge about the target is in `state`, a value that may be kept and
    put back. If `init` or `update` raises, the state is as before.
    """

    def __init__(
        self,
        model: str | Path | MixFormer | Engine = DEFAULT_MODEL,
        config: TrackerConfig | None = None,
        *,
        preset: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        color: Color = "rgb",
        on_resize: Resize = "error",
    ) -> None:
        """Load the model.

        Args:
            model: name, folder or checkpoint file of a model, a loaded network, or an engine.
            config: inference rules; by default those stored with the model.
            preset: benchmark whose published settings to use instead, such as "lasot", or "lasot@1k" for weights that
                have settings of their own (docs/presets.md); not together with `config`.
            device: where to run a model that is no engine yet: "auto", "cpu", "cuda", "cuda:N" or "mps".
            precision: of its matrix products: "auto", "float32", "bfloat16" (about twice as fast on processors that
                have it; boxes move by a fraction of a pixel) or "float16".
            color: channel order of the frames: "rgb", or "bgr" for frames from OpenCV.
            on_resize: what to do when the frames change size: "error", or "rescale" the box with the frame.

        Raises:
            CheckpointError: if the model is not there or does not fit.
            ConfigError: for an unknown preset, device, color or on_resize.
        """
        if color not in ("rgb", "bgr"):
            raise ConfigError(f"color is 'rgb' or 'bgr', not {color!r}")
        if on_resize not in ("error", "rescale"):
            raise ConfigError(f"on_resize is 'error' or 'rescale', not {on_resize!r}")
        if config is not None and preset is not None:
            raise ConfigError("give either a config or a preset, not both")
        self.engine = as_engine(model, device, precision)
        stored = model if isinstance(model, str | Path) else None
        self.config = config or self._default_config(stored, preset)
        self.color: Color = color
        self.on_resize: Resize = on_resize
        self._state: TrackState | None = None

    def _default_config(self, model: str | Path | None, preset: str | None) -> TrackerConfig:
        if preset is None and model is not None:
            from mixformer.weights.store import load_tracker_config

            return load_tracker_config(model, self.engine.config.name)
        return tracker_config(self.engine.config.name, preset)

    @property
    def state(self) -> TrackState:
        """All that is known about the target. Assign a state to go on from it.

        Raises:
            StateError: before `init`.
        """
        if self._state is None:
            raise StateError("the tracker has no target yet; call init(frame, box) first")
        return self._state

    @state.setter
    def state(self, state: TrackState) -> None:
        size = self.engine.config.template_size
        if state.templates.shape[1:] != (size, size, 3):
            raise StateError(
                f"this state has templates of {state.templates.shape[1:]}, the model {self.engine.config.name} "
                f"needs ({size}, {size}, 3); it belongs to another model"
            )
        self._state = state

    def init(self, frame: Image, box: Iterable[float]) -> TrackResult:
        """Choose the target.

        Args:
            frame: uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
            box: x, y, width, height in pixels, 0-based; may reach over the border.

        Returns:
            The given box, as the result of frame 0 with score 1.

        Raises:
            BoxError: if the box is not finite, has no area, or lies outside the frame.
            FrameError: if the frame cannot be used.
        """
        image, target = as_rgb(frame, self.color), parse_box(box)
        height, width = image.shape[:2]
        require_overlap(target, height, width)
        template, _ = crop(image, target, self.config.template_factor, self.engine.config.template_size)
        templates = np.stack([template, template])
        self._state = TrackState(target, 0, (height, width), templates, memory=self._encode(templates))
        return TrackResult(target, 1.0, 0)

    def update(self, frame: Image) -> TrackResult:
        """Find the target in the next frame.

        Raises:
            StateError: before `init`.
            FrameError: if the frame cannot be used, or its size changed and `on_resize` is "error".
        """
        image = as_rgb(frame, self.color)
        state = self._fit(self.state, image)
        if state.memory is None:
            state = replace(state, memory=self._encode(state.templates))
        step = self.search(image, state)
        self._state, updated = self._advance(image, state, step)
        return TrackResult(step.box, step.score, self._state.frame_index, updated, raw=step.raw)

    def search(self, image: Image, state: TrackState) -> Step:
        """Locate the target around `state.box`, changing nothing.

        A prediction that is not finite (a damaged model) keeps the box and gets the score 0.
        """
        size = self.engine.config.search_size
        region, scale = crop(image, state.box, self.config.search_factor, size)
        found = self.engine.locate(region[None], state.memory)
        cx, cy, w, h = (float(v) for v in found.boxes[0])
        score = None if found.scores is None else _sigmoid(float(found.scores[0]))
        if not all(math.isfinite(v) for v in (cx, cy, w, h, 0.0 if score is None else score)):
            return Step((cx, cy, w, h), state.box, state.box, 0.0)
        mapped = to_frame((cx, cy, w, h), state.box, scale, size)
        box = clip_to_frame(mapped, image.shape[0], image.shape[1], self.config.margin)
        return Step((cx, cy, w, h), mapped, box, score)

    def _advance(self, image: Image, state: TrackState, step: Step) -> tuple[TrackState, bool]:
        """State after a frame, and whether its templates changed.

        The candidate is only cut out here; its resize waits until it is committed, and templates are encoded only when
        they change.
        """
        index = state.frame_index + 1
        decision = decide(state.ring, step.score, index, self.config)
        state = replace(state, box=step.box, frame_index=index, ring=decision.ring)
        if decision.take:
            window = CropWindow.around(step.box, self.config.template_factor)
            state = replace(state, candidate=window.cut(image).copy())
        if not decision.commit:
            return state, False
        templates = state.committed(decision.slot)
        if not np.array_equal(templates, state.templates):
            state = replace(state, templates=templates, memory=self._encode(templates))
        return replace(state, candidate=None), True

    def _fit(self, state: TrackState, image: Image) -> TrackState:
        height, width = image.shape[:2]
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

    def _encode(self, templates: Image) -> Any:
        return self.engine.remember(templates[None])


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
