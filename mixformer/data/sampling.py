"""Which frames make a training sample: two template frames and a search frame with their boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.errors import DataError
from mixformer.types import Box, Image

Random = np.random.Generator
UNREADABLE = 20
"""Draws for one sample that may meet a picture that cannot be read, before the data is taken to be at fault."""


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame and the target's box in it (xywh pixels); `origin` is the sequence it shows, None if it was made up."""

    image: Image
    box: Box
    origin: VideoSequence | None = None


@dataclass(frozen=True)
class TrainingSample:
    """Frames of one training sample, before any crop.

    Attributes:
        templates: static template first, then the online ones.
        search: where the target is to be found; its box is only the crop's center if `present` is False.
        present: whether the target of the templates is in the search frame's crop.
    """

    templates: tuple[AnnotatedFrame, ...]
    search: AnnotatedFrame
    present: bool = True


class SampleSource(Protocol):
    """Anything that makes shots out of random numbers alone."""

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """A positive shot with this many template frames."""
        ...

    def view(self, random: Random) -> AnnotatedFrame:
        """Any target in any frame: the search side of a negative shot."""
        ...

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """A frame of the view's own video without its target; None if this source has none."""
        ...


class SequenceSamples:
    """Frames of one sequence within a gap of each other; the official "causal" sampling without its order.

    A still serves all frames of a shot, so that only the jitter of the crops tells them apart.
    """

    def __init__(self, sequences: Sequence[VideoSequence], cache: ImageCache, max_gap: int = 100) -> None:
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

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Uniform search frame; templates drawn from the visible frames within the gap.

        Raises:
            DataError: if draw after draw meets a picture that cannot be read.
        """

        def choose(sequence: VideoSequence) -> list[int]:
            search = int(random.choice(sequence.visible))
            near = sequence.visible[np.abs(sequence.visible - search) <= self.max_gap]
            return [*random.choice(near, templates).tolist(), search]

        *shown, search = self._views(random, choose)
        return TrainingSample(tuple(shown), search)

    def view(self, random: Random) -> AnnotatedFrame:
        """Uniform visible frame of a random sequence.

        Raises:
            DataError: if draw after draw meets a picture that cannot be read.
        """
        return self._views(random, lambda sequence: [int(random.choice(sequence.visible))])[0]

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """None: only frames that show their target are kept here."""
        return None

    def _pick(self, random: Random) -> VideoSequence:
        return self.sequences[int(random.choice(len(self.sequences), p=self._weights))]

    def _views(self, random: Random, choose: Callable[[VideoSequence], list[int]]) -> list[AnnotatedFrame]:
        """The chosen frames of the first random sequence that can be read."""
        for _ in range(UNREADABLE):
            sequence = self._pick(random)
            try:
                return [
                    AnnotatedFrame(self.cache.read(sequence.frames[i]), sequence.box(i), sequence)
                    for i in choose(sequence)
                ]
            except DataError as error:
                self.cache.pass_over(sequence.name, error)
                last = error
        raise DataError(f"{UNREADABLE} draws in a row could not be read; the last: {last}") from last


@dataclass(frozen=True)
class Negatives:
    """Which shots do not show their target, for the score stage.

    Attributes:
        odds: part of the shots that are negative (0..1); the official value is 0.5.
        rule: "absent" is the official one: a frame of the same video in which the target is not seen, around its
            middle, or another view if there is none. "elsewhere" takes either another place of the positive search
            frame or another view.
        same_target: another view may come from the very pictures of the templates, as in the official code.
    """

    odds: float = 0.0
    rule: Literal["absent", "elsewhere"] = "absent"
    same_target: bool = False


class Mixture:
    """Several sources with given odds."""

    def __init__(
        self, sources: Sequence[SampleSource], weights: Sequence[float], negatives: float | Negatives = 0.0
    ) -> None:
        """`negatives`: which shots show another target; a number is the odds of the rule "elsewhere" alone.

        Raises:
            DataError: if there is nothing to draw from.
        """
        if not sources or len(sources) != len(weights) or sum(weights) <= 0:
            raise DataError("a mixture needs at least one source, and one weight for each")
        self.sources = list(sources)
        self.negatives = (
            negatives if isinstance(negatives, Negatives) else Negatives(negatives, "elsewhere", same_target=True)
        )
        self.weights = np.array(weights, np.float64) / sum(weights)

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """A shot of a random source, negative with the mixture's odds."""
        source = self._pick(random)
        shot = source.draw(random, templates)
        if random.random() >= self.negatives.odds:
            return shot
        if self.negatives.rule == "absent":
            away = source.absent(random, shot.search)
        else:
            away = _elsewhere(random, shot.search) if random.random() < 0.5 else None
        return TrainingSample(shot.templates, away or self._another(random, shot.search), present=False)

    def _another(self, random: Random, shown: AnnotatedFrame, tries: int = 50) -> AnnotatedFrame:
        for _ in range(tries):
            view = self._pick(random).view(random)
            if self.negatives.same_target or not _same_pictures(view, shown):
                return view
        raise DataError(
            f"{tries} draws found no other target than {shown.origin.name if shown.origin else 'the one shown'}: give "
            "more than one sequence, or allow same_target"
        )

    def _pick(self, random: Random) -> SampleSource:
        return self.sources[int(random.choice(len(self.sources), p=self.weights))]


def _same_pictures(first: AnnotatedFrame, second: AnnotatedFrame) -> bool:
    """Whether both come from one video, or from one still, be it for another of its objects."""
    one, other = first.origin, second.origin
    if one is None or other is None:
        return False
    return (one.source, one.name) == (other.source, other.name) or one.frames[0] == other.frames[0]


def _elsewhere(random: Random, view: AnnotatedFrame, reach: float = 3.0) -> AnnotatedFrame | None:
    """The same frame around a place whose search crop cannot show the target; None if there is none."""
    height, width = view.image.shape[:2]
    side = float(np.sqrt(view.box.w * view.box.h))
    for _ in range(8):
        x, y = random.uniform(0, width), random.uniform(0, height)
        cx, cy = view.box.center
        if max(abs(x - cx) - view.box.w / 2, abs(y - cy) - view.box.h / 2) > reach * side:
            return AnnotatedFrame(view.image, Box(x - view.box.w / 2, y - view.box.h / 2, view.box.w, view.box.h))
    return None
