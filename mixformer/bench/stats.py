"""Order repeated measurements, and sum them up, so that other load on the machine affects ratios little."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mixformer.configs.base_config import BaseConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Spread(BaseConfig):
    """The median of several rounds, and their quartiles `low` and `high`."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Compute median and quartiles, interpolated between neighbors."""
    return Spread(*np.quantile(values, (0.5, 0.25, 0.75)).tolist())


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Divide round by round, so that a slow minute, which slows both cases, cancels."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def interleave(
    work: Mapping[str, Callable[[], T]], rounds: int, opening: Callable[[], object] = lambda: None
) -> dict[str, list[T]]:
    """Do each piece of work once per round, and return its results in order; `opening` is called before each round.

    Each round starts with the next piece, so that none is always first.
    """
    names, found = list(work), {name: list[T]() for name in work}
    for index in range(rounds):
        opening()
        shift = index % max(1, len(names))
        for name in (*names[shift:], *names[:shift]):
            found[name].append(work[name]())
    return found
