"""Values that were used last, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def one(value: object) -> int:
    """Return 1, the size of a value where values are counted."""
    return 1


class LastUsed(Generic[K, V]):
    """Values by key, those used last up to a limit of their sizes. Callers keep threads apart."""

    def __init__(self, limit: int, size: Callable[[V], int] = one) -> None:
        """`limit` is for the sum of the sizes; without `size` it is a number of values.

        Objects that are pickled need a `size` that can be, such as `operator.attrgetter`.
        """
        self.limit, self.held, self._size = limit, 0, size
        self.values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return a value, which counts as a use, or None."""
        if key in self.values:
            self.values.move_to_end(key)
        return self.values.get(key)

    def put(self, key: K, value: V) -> list[V]:
        """Keep a value, and return those that have no room beside it, or itself if it alone is too large."""
        self.pop(key)
        if self._size(value) > self.limit:
            return [value]
        self.values[key] = value
        self.held += self._size(value)
        return self.trim(self.limit)

    def pop(self, key: K) -> V | None:
        """Take a value out."""
        value = self.values.pop(key, None)
        self.held -= 0 if value is None else self._size(value)
        return value

    def trim(self, limit: int) -> list[V]:
        """Take out what was used longest ago, down to a limit."""
        dropped = []
        while self.held > limit:
            dropped.append(self.values.popitem(last=False)[1])
            self.held -= self._size(dropped[-1])
        return dropped
