"""The parts of a matrix of attention weights: templates, search region and prediction tokens."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
Shapes = dict[str, tuple[int, ...]]  # parts in order with shapes: "online" (n, places), "tokens" (E,), others (places,)


def at_places(weights: FloatMap, left: NDArray[np.intp], places: int, extra: int) -> FloatMap:
    """Weights (S + E, T + S + E) with a row and a column for every place, of 0 where no token is left."""
    templates = weights.shape[1] - len(left) - extra
    rows = np.concatenate([left, places + np.arange(extra)])
    columns = np.concatenate([np.arange(templates), templates + rows])
    filled = np.zeros((places + extra, templates + places + extra), np.float32)
    filled[np.ix_(rows, columns)] = weights
    return filled


def template_shapes(side: int, count: int) -> Shapes:
    """Parts of `count` templates with `side` places along a side."""
    shapes: Shapes = {"template": (side**2,)}
    return shapes | {"online": (count - 1, side**2)} if count > 1 else shapes


def search_shapes(side: int, extra: int) -> Shapes:
    """Parts of a search region, and of its `extra` prediction tokens."""
    shapes: Shapes = {"search": (side**2,)}
    return shapes | {"tokens": (extra,)} if extra else shapes


def split_pairs(weights: FloatMap, queries: Shapes, keys: Shapes) -> dict[str, FloatMap]:
    """Cut a matrix of queries and keys into its pairs of parts."""
    maps = {}
    for (q, q_shape), rows in zip(queries.items(), np.split(weights, _ends(queries)), strict=True):
        for (k, k_shape), part in zip(keys.items(), np.split(rows, _ends(keys), axis=1), strict=True):
            maps[f"{q}_to_{k}"] = part.reshape(*q_shape, *k_shape)
    return maps


def _ends(shapes: Shapes) -> NDArray[np.intp]:
    return np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
