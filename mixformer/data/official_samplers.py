"""The official frame samplers (`sampler.py`): they choose the frames of a sample from a video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixformer.data.sampling import UNREADABLE, AnnotatedFrame, Random, TrainingSample
from mixformer.data.sequence import ImageCache, VideoSequence
from mixformer.errors import DataError
from mixformer.types import Box

Indices = NDArray[np.intp]

_TRIES = 200  # tries with the frames of one sequence; the last causal gap is 1000 frames larger than the first
_SEQUENCES = 1000  # sequences tried for one sample


@dataclass(frozen=True)
class Causal:
    """The rule of the box stage: online templates before the static one, the search frame after it."""

    gap: int = 200  # largest distance in frames from the static template, on either side
    growth: int = 5  # how much the gap grows with every try that finds no frame

    def pick(self, random: Random, sequence: VideoSequence, templates: int) -> list[int] | None:
        """Frame numbers of static template, online templates and search frame; None if no try gives frames that fit."""
        visible = sequence.visible
        for gap in range(self.gap, self.gap + _TRIES * self.growth, self.growth):
            base = _draw(random, visible, templates - 1, len(sequence) - 1)
            if base is None:
                return None
            online = _draw(random, visible, base[0] - gap, base[0], templates - 1)
            search = _draw(random, visible, base[0] + 1, base[0] + gap)
            if online is not None and search is not None:
                return [*base, *online, *search]
        return None


@dataclass(frozen=True)
class Trident:
    """The rule of the score stage: static template and search frame anywhere, online templates near the search frame.

    Online templates are on the side of the static template: in `[search, search + gap)` if the static template is not
    earlier than the search frame, else in `[search - gap, search)`.
    """

    gap: int = 200  # largest distance in frames from the search frame
    # Which frames may be an online template: "visible" ones, "valid" ones (the box has an area), or "any". With "any",
    # a frame whose box has no area gives no sample.
    online: Literal["visible", "valid", "any"] = "visible"

    def pick(self, random: Random, sequence: VideoSequence, templates: int) -> list[int] | None:
        """See `Causal.pick`."""
        allowed = {"any": np.arange(len(sequence)), "valid": sequence.valid, "visible": sequence.visible}[self.online]
        for _ in range(_TRIES):
            static, search = _draw(random, sequence.visible), _draw(random, sequence.visible)
            if static is None or search is None:
                return None
            low = search[0] if static[0] >= search[0] else search[0] - self.gap
            online = _draw(random, allowed, low, low + self.gap, templates - 1)
            if online is not None:
                return [*static, *online, *search]
        return None


Sampler = Causal | Trident
SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "causal": Causal(),
        "trident": Trident(),
        "trident_pro": Trident(online="any"),
        "stark": Trident(online="valid"),
    }
)
"""The official samplers by their official names, with the gap of all official configurations (`replace` it)."""


class OfficialSamples:
    """Samples of one data set, drawn by an official sampler.

    All sequences are equally likely. A video is used if it is long enough and its target is visible in more than
    `2 * (1 + templates)` frames. A still is always used, for every frame of its sample. A sequence that gives no sample
    is replaced by another of the same data set, so that the probabilities of the data sets hold. Many such sequences in
    a row are an error.
    """

    def __init__(
        self,
        sequences: Sequence[VideoSequence],
        cache: ImageCache,
        sampler: Sampler,
        *,
        name: str = "",
        shortest: int = 20,
        smallest: float = 0.0,
    ) -> None:
        """Set up; nothing is read. Raises DataError if there are no sequences.

        A video needs `shortest` frames. Width and height of the target of a still must exceed `smallest` pixels; the
        official code sets 50 for COCO but never uses it. `name` is for messages.
        """
        self.sequences, self.cache, self.sampler = sequences, cache, sampler
        self.name, self.shortest, self.smallest = name or "training set", shortest, smallest
        if not len(sequences):
            raise DataError(f"{self.name}: no sequences to sample from; check its folder")

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw frames of one sequence by the rule; raises DataError if many sequences in a row give no sample."""

        def choose(sequence: VideoSequence) -> list[int] | None:
            if not self._accepts(sequence, templates):
                return None
            return [0] * (templates + 1) if sequence.is_still else self.sampler.pick(random, sequence, templates)

        *shown, search = self._views(random, choose)
        return TrainingSample(tuple(shown), search)

    def view(self, random: Random) -> AnnotatedFrame:
        """Draw any frame with a box, its target visible or not: the search frame of a negative sample."""

        def choose(sequence: VideoSequence) -> list[int] | None:
            return _draw(random, sequence.valid) if self._accepts(sequence, 2) else None

        return self._views(random, choose)[0]

    def absent(self, random: Random, view: AnnotatedFrame) -> AnnotatedFrame | None:
        """Draw the middle eighth, in whole pixels, of a frame of the video without its target; None without one."""
        sequence = view.origin
        if sequence is None or sequence.is_still or len(sequence.visible) == len(sequence):
            return None
        hidden = np.setdiff1d(np.arange(len(sequence)), sequence.visible)
        try:
            image = self.cache.read(sequence.frames[int(random.choice(hidden))])
        except DataError as error:
            self.cache.pass_over(f"{self.name}, {sequence.name}", error)
            return None
        height, width = image.shape[:2]
        w, h = max(1, width // 8), max(1, height // 8)
        middle = Box(int(width / 2 - width / 16), int(height / 2 - height / 16), w, h)
        return AnnotatedFrame(image, middle, sequence)

    def _accepts(self, sequence: VideoSequence, templates: int) -> bool:
        if sequence.is_still:
            return len(sequence.valid) == 1 and bool((sequence.boxes[0, 2:] > self.smallest).all())
        return len(sequence) >= self.shortest and len(sequence.visible) > 2 * (1 + templates)

    def _views(self, random: Random, choose: Callable[[VideoSequence], list[int] | None]) -> list[AnnotatedFrame]:
        """Read the chosen frames of the first random sequence that has them all with boxes; warn of unreadable ones."""
        unreadable = 0
        for _ in range(_SEQUENCES):
            try:
                sequence = self.sequences[int(random.integers(len(self.sequences)))]
                numbers = choose(sequence)
                if numbers and np.isin(numbers, sequence.valid).all():
                    return [
                        AnnotatedFrame(self.cache.read(sequence.frames[i]), sequence.box(i), sequence) for i in numbers
                    ]
            except DataError as error:
                unreadable += 1
                self.cache.pass_over(self.name, error)
                if unreadable == UNREADABLE:
                    raise DataError(
                        f"{self.name}: {unreadable} sequences could not be read for one sample; the last: {error}"
                    ) from error
        raise DataError(
            f"{self.name}: {_SEQUENCES} draws from {len(self.sequences)} sequences gave no frames for {self.sampler}; "
            f"a video needs {self.shortest} frames or more and a target that is visible in most of them"
        )


def _draw(random: Random, frames: Indices, low: int = 0, high: int | None = None, count: int = 1) -> list[int] | None:
    """Draw `count` of the ascending `frames` in `[low, high)`, uniform with replacement; None if there are none."""
    first = int(np.searchsorted(frames, low))
    last = len(frames) if high is None else int(np.searchsorted(frames, high))
    if count and last <= first:
        return None
    return [int(i) for i in frames[random.integers(first, last, count)]] if count else []
