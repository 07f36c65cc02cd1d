"""Draw the frames of training samples: template frames and a search frame, with their boxes."""

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
"""Unreadable pictures in the draws for one sample that are an error of the data set."""
_TRIES = 50  # draws of another target


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame and the target's box in it (xywh pixels). `origin` is its sequence, or None for a synthetic frame."""

    image: Image
    box: Box
    origin: VideoSequence | None = None


@dataclass(frozen=True)
class TrainingSample:
    """Frames of one training sample, before any crop."""

    templates: tuple[AnnotatedFrame, ...]  # static template first, then the online ones
    search: AnnotatedFrame  # the frame to search. If `present` is False, its box only gives the center of the crop.
    present: bool = True  # whether the target of the templates is in the search frame's crop


class SampleSource(Protocol):
    """A source of training samples that depend on random numbers alone."""

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw a positive sample with this many template frames."""

    def view(self, random: Random) -> AnnotatedFrame:
        """Draw any target in any frame: the search frame of a negative sample."""

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """Draw a frame of the same video without its target; None if this source has none."""
        return None


class SequenceSamples(SampleSource):
    """Samples of frames of one sequence within a gap of each other: official "causal" sampling without its order.

    A still is used for all frames of a sample, so that only the jitter of the crops makes them different.
    """

    def __init__(self, sequences: Sequence[VideoSequence], cache: ImageCache, max_gap: int = 100) -> None:
        """Raises DataError if no sequence shows its target; `max_gap` is in frames from template to search."""
        self.sequences = [s for s in sequences if len(s.visible)]
        if not self.sequences:
            raise DataError(
                "no sequence with a visible target to sample from; check the boxes with mixformer data check"
            )
        self.cache, self.max_gap = cache, max_gap
        self._weights = np.sqrt([len(s.visible) for s in self.sequences])
        self._weights /= self._weights.sum()

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw a uniform search frame, and templates from the visible frames within the gap."""

        def choose(sequence: VideoSequence) -> list[int]:
            search = int(random.choice(sequence.visible))
            near = sequence.visible[np.abs(sequence.visible - search) <= self.max_gap]
            return [*random.choice(near, templates).tolist(), search]

        *shown, search = self._views(random, choose)
        return TrainingSample(tuple(shown), search)

    def view(self, random: Random) -> AnnotatedFrame:
        """Draw a uniform visible frame of a random sequence."""
        return self._views(random, lambda sequence: [int(random.choice(sequence.visible))])[0]

    def _views(self, random: Random, choose: Callable[[VideoSequence], list[int]]) -> list[AnnotatedFrame]:
        """Read the chosen frames of the first random sequence that can be read."""
        for _ in range(UNREADABLE):
            sequence = self.sequences[int(random.choice(len(self.sequences), p=self._weights))]
            try:
                return [
                    AnnotatedFrame(self.cache.read(sequence.frames[i]), sequence.box(i), sequence)
                    for i in choose(sequence)
                ]
            except DataError as error:
                self.cache.pass_over(sequence.name, error)
                last = error
        raise DataError(f"{UNREADABLE} sequences drawn in a row could not be read; the last: {last}") from last


@dataclass(frozen=True)
class Negatives:
    """Settings of negative samples, which do not show their target (for the score stage)."""

    odds: float = 0.0  # probability that a sample is negative (0..1); the official value is 0.5
    # "absent" is the official one: the middle of a frame of the same video without the target, or another annotated
    # frame if there is none. "elsewhere" takes another place in the positive search frame, or another annotated frame.
    rule: Literal["absent", "elsewhere"] = "absent"
    same_target: bool = False  # the other frame may be of the same video as the templates, as in the official code


class Mixture:
    """Several sources with given probabilities."""

    def __init__(
        self, sources: Sequence[SampleSource], weights: Sequence[float], negatives: float | Negatives = 0.0
    ) -> None:
        """Raises DataError without sources; a number as `negatives` is the probability of "elsewhere"."""
        if not sources or len(sources) != len(weights) or sum(weights) <= 0:
            raise DataError("a mixture needs at least one source, and one weight for each")
        self.sources = list(sources)
        self.negatives = (
            negatives if isinstance(negatives, Negatives) else Negatives(negatives, "elsewhere", same_target=True)
        )
        self.weights = np.array(weights, np.float64) / sum(weights)

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw a sample of a random source, negative with the mixture's probability."""
        source = self._pick(random)
        shot = source.draw(random, templates)
        if random.random() >= self.negatives.odds:
            return shot
        if self.negatives.rule == "absent":
            away = source.absent(random, shot.search)
        else:
            away = elsewhere(random, shot.search) if random.random() < 0.5 else None
        return TrainingSample(shot.templates, away or self._another(random, shot.search), present=False)

    def _another(self, random: Random, shown: AnnotatedFrame) -> AnnotatedFrame:
        for _ in range(_TRIES):
            view = self._pick(random).view(random)
            if self.negatives.same_target or not _same_pictures(view, shown):
                return view
        raise DataError(
            f"{_TRIES} draws found no other target than {shown.origin.name if shown.origin else 'the one shown'}; add "
            "more sequences, or set same_target"
        )

    def _pick(self, random: Random) -> SampleSource:
        return self.sources[int(random.choice(len(self.sources), p=self.weights))]


def _same_pictures(first: AnnotatedFrame, second: AnnotatedFrame) -> bool:
    """Return whether both come from the same video or still, even with different targets."""
    one, other = first.origin, second.origin
    if one is None or other is None:
        return False
    return (one.source, one.name) == (other.source, other.name) or one.frames[0] == other.frames[0]


def elsewhere(random: Random, view: AnnotatedFrame, reach: float = 3.0) -> AnnotatedFrame | None:
    """Move the box to a place in the frame where the search crop cannot show the target; None if none is found."""
    height, width = view.image.shape[:2]
    side = float(np.sqrt(view.box.w * view.box.h))
    for _ in range(8):
        x, y = random.uniform(0, width), random.uniform(0, height)
        cx, cy = view.box.center
        if max(abs(x - cx) - view.box.w / 2, abs(y - cy) - view.box.h / 2) > reach * side:
            return AnnotatedFrame(view.image, Box(x - view.box.w / 2, y - view.box.h / 2, view.box.w, view.box.h))
    return None
