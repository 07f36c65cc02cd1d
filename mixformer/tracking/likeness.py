"""How much what a box shows is like the initial template, by what the network sees in both.

The score says whether the network found what it was looking for, and online templates change what that is. This
comparison always goes back to the box that a person drew, and to a middle block, whose features carry over to objects
that training never showed (docs/notes/lost.md).
"""

from __future__ import annotations

import numpy as np

from mixformer.types import FloatArray

_REACH = 1 / 4  # part of a template's side, from its middle, that the target fills


def likeness(first: FloatArray, other: FloatArray) -> float:
    """Compare two templates, place by place: the mean cosine of the tokens on the target.

    Args:
        first: a vector for each token of a template (t * t, C), row by row, from `DescribingEngine.describe`.
        other: the same of another template.

    Returns:
        -1 to 1; 1 for equal templates, and also if a damaged model gave NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from mixformer.tracking.likeness import likeness
        >>> tokens = np.random.default_rng(0).normal(size=(49, 8))
        >>> round(likeness(tokens, tokens), 3), round(likeness(tokens, -tokens), 3)
        (1.0, -1.0)
    """
    side = round(len(first) ** 0.5)
    places = np.abs((np.arange(side) + 0.5) / side - 0.5) <= _REACH
    middle = np.outer(places, places).ravel()
    a, b = (tokens[middle] / np.linalg.norm(tokens[middle], axis=1, keepdims=True) for tokens in (first, other))
    value = float((a * b).sum(1).mean())
    return value if np.isfinite(value) else 1.0
