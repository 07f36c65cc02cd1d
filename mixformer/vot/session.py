"""The session of both protocols: it tracks the targets of one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Unpack

import numpy as np

from mixformer.configs.runtime import OldKeywords, Runtime, with_old_keywords
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.errors import ConfigError, MixFormerError, shown
from mixformer.masks.refiner import Mask, MaskRefiner, TargetRefiner, refiner_for
from mixformer.types import Box, Image, TrackResult
from mixformer.vot.regions import Region, region_box

if TYPE_CHECKING:
    from mixformer.tracking import Tracker, TrackState

GRABCUT = "grabcut"
NOWHERE = Box(0.0, 0.0, 0.0, 0.0)
"""An empty region, which the toolkit's measures (NRE, ADQ) take for "the target is not there"."""


@dataclass(frozen=True)
class Answer:
    """The result for one target in one frame."""

    region: Box | Mask  # box in pixels, or mask of the frame's size; an empty box if the target is lost
    confidence: float | None  # probability (0..1) that the target is there; None for a model without a score head

    @property
    def properties(self) -> dict[str, str]:
        """The properties of the region for VOT: `confidence`, or none without a score."""
        return {} if self.confidence is None else {"confidence": f"{self.confidence:.6f}"}


class Session:
    """Track any number of targets with one tracker. They share the network; each has its own state."""

    def __init__(self, tracker: Tracker, refiner: MaskRefiner | TargetRefiner | None = None) -> None:
        """Use a tracker, and a refiner that makes masks; without it, results are boxes."""
        self._tracker = tracker
        self._refiner = refiner
        self._states: list[TrackState] = []
        self._refiners: list[MaskRefiner | None] = []  # of each target

    def reset(self) -> None:
        """Remove all targets."""
        self._states, self._refiners = [], []

    def process(self, image: Image, new: Sequence[Region] = ()) -> list[Answer]:
        """Track the targets in an RGB uint8 (H, W, 3) frame, and add new ones.

        Returns an answer for each target, in the order in which they were added. Raises BoxError if a new target cannot
        be tracked (the session is unchanged then), and FrameError if the frame cannot be used.
        """
        # New targets come first, since only they can be refused.
        started = [(self._tracker.init(image, region_box(region)), self._tracker.state) for region in new]
        moved = [(self._follow(image, state), self._tracker.state) for state in self._states]
        self._states = [state for _, state in moved + started]
        refiner = self._refiner
        self._refiners += [None if refiner is None else refiner_for(refiner, image, each.box) for each, _ in started]
        results = [result for result, _ in moved + started]
        return [self._answer(image, *pair) for pair in zip(results, self._refiners, strict=True)]

    def _follow(self, image: Image, state: TrackState) -> TrackResult:
        self._tracker.state = state
        return self._tracker.update(image)

    def _answer(self, image: Image, result: TrackResult, refiner: MaskRefiner | None) -> Answer:
        if result.status == "lost" and self._tracker.config.rules == "careful":
            region: Box | Mask = NOWHERE  # the official rules give a box in every frame
        else:
            region = result.box if refiner is None else np.asarray(refiner(image, result.box), np.bool_)
        return Answer(region, result.score)


def open_session(
    model: str = DEFAULT_MODEL,
    *,
    preset: str | None = None,
    masks: str | None = None,
    runtime: Runtime = Runtime(),
    **old: Unpack[OldKeywords],
) -> Session:
    """Open a session: load a model and run it once.

    Args:
        model: name, folder or checkpoint file of a model.
        preset: benchmark whose published settings to use, such as "vot2020"; by default those stored with the model.
        masks: how to turn boxes into masks, see `load_refiner`; without it, results are boxes.
        runtime: device, engine, precision and threads.
        **old: the keywords of 0.1.0 for the parts of `runtime`, with a warning.

    Raises CheckpointError, ConfigError and MissingDependencyError as `Tracker` and `load_refiner` do.
    """
    from mixformer.tracking import Tracker

    refiner = None if masks is None else load_refiner(masks)
    tracker = Tracker(model, preset=preset, runtime=with_old_keywords(runtime, old), on_resize="rescale")
    session = Session(tracker, refiner)
    # Run everything once: the toolkit measures time, and real-time tests allow 3 slow frames.
    blank = np.zeros((64, 64, 3), np.uint8)
    session.process(blank, [Box(24, 24, 16, 16)])
    session.process(blank)
    session.reset()
    return session


def load_refiner(name: str) -> MaskRefiner | TargetRefiner:
    """Load a mask refiner: "grabcut", or your own as "module:factory", which `factory()` returns.

    Raises ConfigError if there is no such module or factory, or it makes no refiner, and MissingDependencyError if
    "grabcut" lacks OpenCV.
    """
    if name == GRABCUT:
        from mixformer.masks.grabcut import GrabCutRefiner

        return GrabCutRefiner()
    module, _, factory = name.partition(":")
    try:
        refiner: MaskRefiner | TargetRefiner = getattr(import_module(module), factory)()
    except MixFormerError:
        raise
    except (Exception, SystemExit) as error:  # a module of somebody else may raise anything
        raise ConfigError(
            f"no mask refiner {name!r}: {type(error).__name__}: {error}; give {GRABCUT!r} or module:factory, with the "
            "module on PYTHONPATH"
        ) from error
    if not (callable(refiner) or callable(getattr(refiner, "start", None))):
        raise ConfigError(
            f"the mask refiner {name!r} made {shown(refiner, 60)}, which is no function; see docs/masks.md"
        )
    return refiner
