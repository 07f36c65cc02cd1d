"""Which frames make a training sample: two template frames and a search frame with their boxes."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixformer.data.sequence import ImageCache, Sequence
from mixformer.errors import DataError
from mixformer.types import Box, Image

Random = np.random.Generator


@dataclass(frozen=True)
class View:
    """A frame and the target's box in it (xywh pixels)."""

    image: Image
    box: Box


@dataclass(frozen=True)
class Shot:
    """Frames of one training sample, before any crop.

    Attributes:
        templates: static template first, then the online ones.
        search: where the target is to be found; its box is only the crop's centre if `present` is False.
        present: whether the target of the templates is in the search frame's crop.
    """

    templates: tuple[View, ...]
    search: View
    present: bool = True


class ShotSource(Protocol):
    """Anything that makes shots out of random numbers alone."""

    def draw(self, random: Random, templates: int) -> Shot:
        """A positive shot with this many template frames."""
        ...

    def view(self, random: Random) -> View:
        """Any target in any frame: the search side of a negative shot."""
        ...


class SequenceShots:
    """Frames of one sequence within a gap of each other; the official "causal" sampling without its order.

    A still serves all frames of a shot, so that only the jitter of the crops tells them apart.
    """

    def __init__(self, sequences: SequenceOf[Sequence], cache: ImageCache, max_gap: int = 100) -> None:
        """`max_gap`: largest distance in frames between template and search.

        Raises:
            DataError: if no sequence shows its target at least once.
        """
        self.sequences = [s for s in sequences if len(s.visible)]
        if not self.sequences:
            raise DataError("no sequence with a visible target to sample from")
        self.cache, self.max_gap = cache, max_gap
        self._weights = np.sqrt([len(s.visible) for s in self.sequences])
        self._weights /= self._weights.sum()

    def draw(self, random: Random, templates: int) -> Shot:
        """Uniform search frame; templates drawn from the visible frames within the gap."""
        sequence = self._pick(random)
        search = int(random.choice(sequence.visible))
        near = sequence.visible[np.abs(sequence.visible - search) <= self.max_gap]
        chosen = random.choice(near, templates)
        return Shot(tuple(self._view(sequence, int(i)) for i in chosen), self._view(sequence, search))

    def view(self, random: Random) -> View:
        """Uniform visible frame of a random sequence."""
        sequence = self._pick(random)
        return self._view(sequence, int(random.choice(sequence.visible)))

    def _pick(self, random: Random) -> Sequence:
        return self.sequences[int(random.choice(len(self.sequences), p=self._weights))]

    def _view(self, sequence: Sequence, index: int) -> View:
        return View(self.cache.read(sequence.frames[index]), sequence.box(index))


class Mixture:
    """Several sources with given odds."""

    def __init__(self, sources: SequenceOf[ShotSource], weights: SequenceOf[float], negatives: float = 0.0) -> None:
        """`negatives`: part of the shots whose search frame shows another target (0..1), for the score stage.

        Raises:
            DataError: if there is nothing to draw from.
        """
        if not sources or len(sources) != len(weights) or sum(weights) <= 0:
            raise DataError("a mixture needs at least one source, and one weight for each")
        self.sources, self.negatives = list(sources), negatives
        self.weights = np.array(weights, np.float64) / sum(weights)

    def draw(self, random: Random, templates: int) -> Shot:
        """A shot of a random source, negative with the mixture's odds."""
        shot = self._pick(random).draw(random, templates)
        if random.random() >= self.negatives:
            return shot
        if random.random() < 0.5 and (away := _elsewhere(random, shot.search)):
            return Shot(shot.templates, away, present=False)
        return Shot(shot.templates, self._pick(random).view(random), present=False)

    def _pick(self, random: Random) -> ShotSource:
        return self.sources[int(random.choice(len(self.sources), p=self.weights))]


def _elsewhere(random: Random, view: View, reach: float = 3.0) -> View | None:
    """The same frame around a place whose search crop cannot show the target; None if there is none."""
    height, width = view.image.shape[:2]
    side = float(np.sqrt(view.box.w * view.box.h))
    for _ in range(8):
        x, y = random.uniform(0, width), random.uniform(0, height)
        cx, cy = view.box.center
        if max(abs(x - cx) - view.box.w / 2, abs(y - cy) - view.box.h / 2) > reach * side:
            return View(view.image, Box(x - view.box.w / 2, y - view.box.h / 2, view.box.w, view.box.h))
    return None
