"""Order and statistics of repeated measurements: what keeps a shared machine's noise out of a ratio."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mixformer.configs.base_config import BaseConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Spread(BaseConfig):
    """A figure over several rounds; half of the rounds lie between `low` and `high`, the quartiles."""

    median: float
    low: float
    high: float

    def __post_init__(self) -> None:
        self._require(self.low <= self.median <= self.high, f"{self.low} <= {self.median} <= {self.high} does not hold")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share (0..1) of the values do not exceed, linear between neighbors.

    Raises:
        ValueError: without values, or for a share outside 0..1.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError(f"no share {share} of {len(values)} values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles."""
    return Spread(*(percentile(values, share) for share in (0.5, 0.25, 0.75)))


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """The quotients of two candidates' figures round by round: a slow minute slows both, and cancels.

    Raises:
        ValueError: if the numbers of rounds differ.
    """
    return spread([a / b for a, b in zip(over, under, strict=True)])


def interleave(
    work: Mapping[str, Callable[[], T]], rounds: int, opening: Callable[[], object] | None = None
) -> dict[str, list[T]]:
    """Do every piece of work once per round, and give its results in order.

    Each round starts with the next piece, so that none is always the first.

    Args:
        work: what to do, by name.
        rounds: how often.
        opening: also to be done, at the beginning of every round.
    """
    names, found = list(work), {name: list[T]() for name in work}
    for index in range(rounds):
        if opening is not None:
            opening()
        shift = index % len(names) if names else 0
        for name in (*names[shift:], *names[:shift]):
            found[name].append(work[name]())
    return found
