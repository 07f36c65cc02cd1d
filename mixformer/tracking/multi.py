"""The tracker of several targets: one batch of the network for all of them."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mixformer.configs.runtime import OldKeywords, Runtime, with_old_keywords
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine
from mixformer.engines.own_process import Turns
from mixformer.errors import ConfigError, StateError
from mixformer.imaging.boxes import parse_box
from mixformer.imaging.colors import Color, as_rgb
from mixformer.tracking.state import TrackState
from mixformer.tracking.step import Resize, SearchResult, TrackingStep
from mixformer.tracking.tracker import Tracker
from mixformer.types import Image, TrackResult

if TYPE_CHECKING:
    from mixformer.models import MixFormer


class MultiTracker:
    """Track several targets. `add` and `remove` them at any frame; `update` finds all with one call of the network.

    Each target has its own `TrackState` and the steps of `Tracker`. Its boxes equal those of a separate `Tracker` up to
    rounding: matrix products may round differently in a batch. The network is called once for each number of online
    templates; these numbers differ only while template buffers fill up.

    A target takes the lowest free row of the batch and keeps it. Memory use does not depend on the number of frames or
    of removed targets. If a call raises, nothing changes.

    Several threads may call one tracker; they take turns. It can be pickled and copied like a `Tracker`.

    Example:
        >>> from mixformer import MultiTracker, open_video
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> tracker = MultiTracker()
        >>> with open_video(DEMO_CLIP, stop=2) as video:
        ...     first, second = (frame.image for frame in video)
        >>> tracker.add(first, DEMO_BOX), tracker.add(first, (300, 50, 40, 80), id="other")
        (1, 'other')
        >>> sorted(map(str, tracker.update(second)))
        ['1', 'other']
    """

    def __init__(
        self,
        model: str | Path | MixFormer | Engine = DEFAULT_MODEL,
        config: TrackerConfig | None = None,
        *,
        max_targets: int | None = None,
        preset: str | None = None,
        runtime: Runtime = Runtime(),
        color: Color = "rgb",
        on_resize: Resize = "error",
        **old: Unpack[OldKeywords],
    ) -> None:
        """Load the model. All arguments but `max_targets` are those of `Tracker`.

        Args:
            model: name, folder or checkpoint file of a model, a loaded network, or an engine.
            config: tracker settings; by default those stored with the model.
            max_targets: largest number of targets at a time. The batch then always has this many rows, which helps if
                targets are added and removed often and the engine prepares itself for each batch size. Empty rows cost
                as much time as others. None allows any number, and uses one row for each target.
            preset: benchmark whose published settings to use instead.
            runtime: device, engine, precision and threads; not used if `model` is an engine.
            color: channel order of the frames.
            on_resize: what to do when the frames change size.
            **old: the keywords of 0.1.0 for the parts of `runtime`, with a warning.

        Raises:
            ConfigError: if `max_targets` is not above 0, or as `Tracker`.
            CheckpointError: as `Tracker`.
        """
        if max_targets is not None and (type(max_targets) is not int or max_targets < 1):
            raise ConfigError(
                f"max_targets must be a whole number above 0, or None for any number of targets, not {max_targets!r}"
            )
        runtime = with_old_keywords(runtime, old)
        made = Tracker(model, config, preset=preset, runtime=runtime, color=color, on_resize=on_resize)
        self.engine, self.config = made.engine, made.config
        self.color, self.on_resize, self.max_targets = made.color, made.on_resize, max_targets
        self._rows: list[Hashable | None] = []
        self._states: dict[Hashable, TrackState] = {}
        self._batches: dict[int, _Batch] = {}
        self._last_id = 0
        self._turns = Turns()

    def __getstate__(self) -> dict[str, Any]:
        """Return all as it is now, but the joined memories, which are made again."""
        with self._turns:
            return {**vars(self), "_rows": list(self._rows), "_states": dict(self._states), "_batches": {}}

    @property
    def _step(self) -> TrackingStep:
        return TrackingStep(self.engine, self.config, self.on_resize)

    @property
    def ids(self) -> tuple[Hashable, ...]:
        """The ids of the targets, in the order of rows."""
        return tuple(each for each in tuple(self._rows) if each is not None)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, id: object) -> bool:
        return id in self._states

    def state(self, id: Hashable) -> TrackState:
        """Return the state of a target: a value to keep, to save, or to `restore` here or in a `Tracker`.

        Raises:
            StateError: if there is no such target.
        """
        with self._turns:
            self._require(id)
            return self._states[id]

    def add(self, frame: Image, box: Iterable[float], id: Hashable | None = None) -> Hashable:
        """Add a target in a frame; `update` finds it from the next frame on.

        Args:
            frame: as for `Tracker.init`.
            box: x, y, width, height in pixels, 0-based; may reach over the border.
            id: any hashable value; None takes the next unused number of 1, 2, 3, ...

        Returns:
            The target's id.

        Raises:
            BoxError: if the box is not finite, has no area, or is outside the frame.
            FrameError: if the frame cannot be used.
            StateError: if there is already a target with that id, or there are already `max_targets`.
        """
        image, target = as_rgb(frame, self.color), parse_box(box)
        with self._turns:
            id = self._new_id(id)
            self._put(id, self._step.start(image, target))
        return id

    def restore(self, state: TrackState, id: Hashable | None = None) -> Hashable:
        """Add a target from a state; see `add`.

        Raises:
            StateError: as `add`, or if the state belongs to another model.
            BoxError: if the box of the state cannot be tracked.
        """
        with self._turns:
            id = self._new_id(id)
            self._put(id, self._step.check(state))
        return id

    def remove(self, id: Hashable) -> TrackState:
        """Remove a target, free its row, and return its last state.

        Raises:
            StateError: if there is no such target.
        """
        with self._turns:
            self._require(id)
            self._rows[self._rows.index(id)] = None
            while self._rows and self._rows[-1] is None:
                self._rows.pop()
            self._batches.clear()  # one of them holds its memory
            return self._states.pop(id)

    def update(self, frame: Image) -> dict[Hashable, TrackResult]:
        """Find all targets in the next frame.

        Returns:
            Results by id, in the order of rows; {} without targets.

        Raises:
            FrameError: if the frame cannot be used, or its size changed and `on_resize` is "error".
        """
        image = as_rgb(frame, self.color)
        with self._turns:
            return self._update(dict.fromkeys(self.ids, image))

    def update_each(self, frames: Mapping[Hashable, Image]) -> dict[Hashable, TrackResult]:
        """Find some targets, each in its own frame, such as targets of several videos. The others do not change.

        Args:
            frames: the next frame of each target, by id.

        Raises:
            FrameError: as `update`.
            StateError: if there is no target with such an id, or frames are not given by id.
        """
        if not isinstance(frames, Mapping):
            raise StateError(f"frames must be given by the id of their target, not as {type(frames).__name__}")
        images = {id: as_rgb(frame, self.color) for id, frame in frames.items()}
        with self._turns:
            for id in frames:
                self._require(id)
            return self._update({id: images[id] for id in self.ids if id in images})

    def _update(self, images: Mapping[Hashable, Image]) -> dict[Hashable, TrackResult]:
        step = self._step
        # 1. Prepare all states before any changes, so that an error leaves the tracker as it was.
        states = {id: step.ready(self._states[id], image) for id, image in images.items()}
        steps: dict[Hashable, SearchResult] = {}
        batches: dict[int, _Batch] = {}
        # 2. Call the network once for each number of templates.
        by_templates = sorted(states, key=lambda id: len(states[id].templates))  # stable: rows stay in order
        for count, members in groupby(by_templates, key=lambda id: len(states[id].templates)):
            ids = list(members)
            batch = self._batch(count, [states[id].memory for id in ids])
            found = step.search([images[id] for id in ids], [states[id] for id in ids], batch.memory, batch.rows)
            steps.update(zip(ids, found, strict=True))
            batches[count] = batch
        # 3. Move the states.
        moved = {id: step.advance(image, states[id], steps[id]) for id, image in images.items()}
        self._states.update({id: state for id, (state, _) in moved.items()})
        self._batches = batches
        return {id: result for id, (_, result) in moved.items()}

    def _batch(self, count: int, memories: list[Any]) -> _Batch:
        """Join the memories into one; reuse the last one if no memory has changed."""
        known = self._batches.get(count)
        if known and known.holds(memories):
            return known
        rows = max(self.max_targets or 0, len(memories))
        filled = memories + memories[:1] * (rows - len(memories))
        return _Batch(memories, filled[0] if rows == 1 else self.engine.join(filled), rows)

    def _new_id(self, id: Hashable | None) -> Hashable:
        """Check or choose the id of a new target."""
        _require_id(id)
        if self.max_targets is not None and len(self._states) >= self.max_targets:
            raise StateError(
                f"the tracker already has max_targets={self.max_targets}; remove a target, or use a larger max_targets"
            )
        if id is None:
            id = self._last_id + 1
            while id in self._states:
                id += 1
        if id in self._states:
            raise StateError(f"there is already a target {id!r}; remove it first, or choose another id")
        return id

    def _put(self, id: Hashable, state: TrackState) -> None:
        """Give a target the lowest free row."""
        if isinstance(id, int):
            self._last_id = max(self._last_id, id)
        if None in self._rows:
            self._rows[self._rows.index(None)] = id
        else:
            self._rows.append(id)
        self._states[id] = state

    def _require(self, id: Hashable) -> None:
        _require_id(id)
        if id not in self._states:
            there = ", ".join(map(repr, self.ids)) or "none"
            raise StateError(f"there is no target {id!r}; there are: {there}")


def _require_id(id: Hashable) -> None:
    try:
        hash(id)
    except TypeError as error:
        raise StateError(
            f"an id must be a number, a text or another hashable value, not {type(id).__name__}"
        ) from error


@dataclass(frozen=True)
class _Batch:
    """Memories of some targets, and the joined memory of `rows` rows."""

    members: Sequence[Any]
    memory: Any
    rows: int

    def holds(self, memories: Sequence[Any]) -> bool:
        """Tell whether these are its members."""
        return len(memories) == len(self.members) and all(map(operator.is_, memories, self.members))
