"""Order and statistics of repeated measurements: they keep the noise of a shared machine out of ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mixformer.configs.base_config import BaseConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Spread(BaseConfig):
    """Median of several rounds; half of the rounds are between the quartiles `low` and `high`."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Compute median and quartiles, interpolated between neighbors."""
    return Spread(*np.quantile(values, (0.5, 0.25, 0.75)).tolist())


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Compute quotients round by round: a slow minute slows both cases, and cancels."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def interleave(
    work: Mapping[str, Callable[[], T]], rounds: int, opening: Callable[[], object] = lambda: None
) -> dict[str, list[T]]:
    """Do each piece of work once per round, after `opening`, and return the results of each in order.

    Each round starts with the next piece.
    """
    names, found = list(work), {name: list[T]() for name in work}
    for index in range(rounds):
        opening()
        shift = index % max(1, len(names))  # so that none is always first
        for name in (*names[shift:], *names[:shift]):
            found[name].append(work[name]())
    return found
