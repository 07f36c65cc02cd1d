"""The tracker: one target, one box per frame."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from mixformer.configs.presets import tracker_config
from mixformer.configs.runtime import OldKeywords, Runtime, with_old_keywords
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine, as_engine
from mixformer.engines.describing import middle_block
from mixformer.engines.own_process import Turns
from mixformer.errors import ConfigError, StateError
from mixformer.imaging.boxes import parse_box
from mixformer.imaging.colors import Color, as_rgb
from mixformer.tracking.state import TrackState
from mixformer.tracking.step import Resize, SearchResult, TrackingStep
from mixformer.types import Image, TrackResult

if TYPE_CHECKING:
    from mixformer.models import MixFormer


class Tracker:
    """Track one target: `init` with its box, then `update` with each following frame.

    It does the steps of the official trackers. `state` holds all that it knows about the target; you can keep it and
    assign it again later. If `init` or `update` raises, the state does not change.

    Several threads may call one tracker; they take turns, and each update advances the target by one frame. A pickle
    holds the settings, the state and the arguments of the engine. A deep copy shares the engine but not the state. A
    forked process must make a tracker of its own (docs/engines.md).

    Example:
        >>> from mixformer import Tracker, open_video
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> tracker = Tracker()
        >>> with open_video(DEMO_CLIP, stop=3) as video:
        ...     for frame in video:
        ...         first = frame.index == 0
        ...         result = tracker.init(frame.image, DEMO_BOX) if first else tracker.update(frame.image)
        >>> result.frame, result.score > 0.5
        (2, True)
    """

    def __init__(
        self,
        model: str | Path | MixFormer | Engine = DEFAULT_MODEL,
        config: TrackerConfig | None = None,
        *,
        preset: str | None = None,
        runtime: Runtime = Runtime(),
        color: Color = "rgb",
        on_resize: Resize = "error",
        **old: Unpack[OldKeywords],
    ) -> None:
        """Load the model.

        Args:
            model: name, folder or checkpoint file of a model, a loaded network, or an engine.
            config: tracker settings; by default those stored with the model.
            preset: benchmark whose published settings to use, such as "lasot", or "lasot@1k" for other weights
                (docs/presets.md); not together with `config`.
            runtime: device, engine, precision and threads (docs/engines.md); not used if `model` is an engine.
            color: channel order of the frames: "rgb", or "bgr" for frames from OpenCV.
            on_resize: what to do when the frames change size: "error", or "rescale" the box with the frame.
            **old: the keywords of 0.1.0 for the parts of `runtime`, with a warning.

        Raises:
            CheckpointError: if the model is missing or does not fit.
            ConfigError: for an unknown preset, device, color or on_resize, or an engine that cannot run the model.
            MissingDependencyError: if a package of the engine is missing; the message has its install command.
        """
        if color not in ("rgb", "bgr"):
            raise ConfigError(f"color must be 'rgb' or 'bgr', not {color!r}")
        if on_resize not in ("error", "rescale"):
            raise ConfigError(f"on_resize must be 'error' or 'rescale', not {on_resize!r}")
        if not isinstance(config, TrackerConfig | None):
            raise ConfigError(f"config must be a mixformer.TrackerConfig(...), not {type(config).__name__}")
        if not isinstance(preset, str | None):
            raise ConfigError(f"preset must be the name of a benchmark, such as 'lasot', not {preset!r:.100}")
        if config is not None and preset is not None:
            raise ConfigError("give either a config or a preset, not both")
        self.engine = as_engine(model, runtime=with_old_keywords(runtime, old))
        stored = model if isinstance(model, str | Path) else None
        self.config = config or self._default_config(stored, preset)
        _require_likeness(self.engine, self.config)
        self.color: Color = color
        self.on_resize: Resize = on_resize
        self._state: TrackState | None = None
        self._turns = Turns()

    def _default_config(self, model: str | Path | None, preset: str | None) -> TrackerConfig:
        if preset is None and model is not None:
            from mixformer.weights.tracker_settings import load_tracker_config

            return load_tracker_config(model, self.engine.config.name)
        return tracker_config(self.engine.config.name, preset)

    @property
    def _step(self) -> TrackingStep:
        return TrackingStep(self.engine, self.config, self.on_resize)

    @property
    def state(self) -> TrackState:
        """The state of the target. Assign a state to continue from it.

        Raises:
            StateError: before `init`, or if an assigned state belongs to another model.
            BoxError: if the box of an assigned state cannot be tracked.
        """
        if self._state is None:
            raise StateError("the tracker has no target yet; call init(frame, box) first")
        return self._state

    @state.setter
    def state(self, state: TrackState) -> None:
        with self._turns:
            self._state = self._step.check(state)

    def init(self, frame: Image, box: Iterable[float]) -> TrackResult:
        """Choose the target.

        Args:
            frame: uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
            box: x, y, width, height in pixels, 0-based; may reach over the border.

        Returns:
            The given box, as the result of frame 0 with score 1.

        Raises:
            BoxError: if the box is not finite, has no area, or is outside the frame.
            FrameError: if the frame cannot be used.
        """
        image, target = as_rgb(frame, self.color), parse_box(box)
        with self._turns:
            self._state = self._step.start(image, target)
        return TrackResult(target, 1.0, 0, is_initial=True)

    def update(self, frame: Image) -> TrackResult:
        """Find the target in the next frame.

        Args:
            frame: as for `init`; its size may change only if `on_resize` is "rescale".

        Raises:
            StateError: before `init`.
            FrameError: if the frame cannot be used, or its size changed and `on_resize` is "error".
        """
        image, step = as_rgb(frame, self.color), self._step
        with self._turns:
            state = step.ready(self.state, image)
            (found,) = step.search([image], [state], state.memory)
            self._state, result = step.advance(image, state, found)
        return result

    def search(self, image: Image, state: TrackState) -> SearchResult:
        """Locate the target around `state.window` in an image, RGB uint8 (H, W, 3), without changing the tracker.

        See `TrackingStep.search`. Templates are encoded if the state has no memory of this engine; the caller's state
        stays as it is. Raises StateError if the state does not fit the model.
        """
        ready = self._step.ready(self._step.check(state), image)
        return self._step.search([image], [ready], ready.memory)[0]


def _require_likeness(engine: Engine, config: TrackerConfig) -> None:
    """Raise ConfigError if templates shall be compared and the network cannot; others do not find out for minutes."""
    compares = config.rules == "careful" and config.likeness_weight and hasattr(engine, "describe")
    if compares and engine.config.score != "none":  # without a score, the rules are the official ones
        middle_block(engine.config)
