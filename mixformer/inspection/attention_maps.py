"""Average the attention of one pair of queries and keys over chosen queries, as maps over a crop."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixformer.configs.argument_checks import checked
from mixformer.errors import ConfigError
from mixformer.inspection.contact_sheet import Corners
from mixformer.inspection.frame_inspection import FrameInspection
from mixformer.inspection.network_maps import BlockAttention

Query = Literal["target", "center", "all"]

PAIRS = (
    "search_to_template",
    "search_to_online",
    "search_to_search",
    "online_to_template",
    "template_to_online",
    "tokens_to_search",
    "tokens_to_template",
    "tokens_to_online",
    "template_to_search",
    "online_to_search",
)
"""Pairs of queries and keys in the order of the papers' figures; the last two need symmetric attention."""


@checked
def average_attention(seen: FrameInspection, pair: str, query: Query = "target") -> dict[str, NDArray[np.float64]]:
    """Average the attention of one pair over heads and chosen queries, in every block that has the pair.

    Args:
        seen: the inspected frame.
        pair: one of `PAIRS`, such as "search_to_template".
        query: places whose attention is averaged: "target" for the places in the box, "center" for the place in its
            middle, "all" for all places. Prediction tokens are never averaged.

    Returns:
        Shares of attention (Q, K, g, g) by block name. Q is the number of prediction tokens or online templates if
        these are the queries, else 1. K is the number of online templates if these are the keys, else 1. g is the
        number of keys along a side.

    Raises ConfigError if no block has the pair, or the query is unknown.

    Example:
        >>> from mixformer.inspection import average_attention, inspect_frame
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> average_attention(seen, "tokens_to_search")["S0-B7"].shape
        (4, 1, 14, 14)
    """
    if query not in ("target", "center", "all"):
        raise ConfigError(f"query must be 'target', 'center' or 'all', not {query!r}")
    blocks = [block for block in seen.result.blocks if pair in block.maps]
    if not blocks:
        there = ", ".join(dict.fromkeys(name for block in seen.result.blocks for name in block.maps))
        raise ConfigError(f"no inspected block has attention from {pair.replace('_to_', ' to ')}; there are: {there}")
    return {block.name: average_queries(block, pair, chosen_queries(block, seen, pair, query)) for block in blocks}


def average_queries(block: BlockAttention, pair: str, chosen: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Average a block's weights over the chosen queries (places,), None for prediction tokens: (Q, K, g, g)."""
    weights = block.maps[pair]
    if pair.startswith("online_"):
        weights = weights[:, chosen].mean(1)
    elif chosen is not None:
        weights = weights[chosen].mean(0)[None]
    side = (block.search if pair.endswith("_search") else block.template).keys
    return weights.astype(float).reshape(len(weights), -1, side, side)


def chosen_queries(block: BlockAttention, seen: FrameInspection, pair: str, query: Query) -> NDArray[np.bool_] | None:
    """Return the mask (places,) of the queries to average over, or None for prediction tokens."""
    queries = pair.split("_to_")[0]
    if queries == "tokens":
        return None
    if queries == "search":
        chosen = select_places(block.search.queries, seen.corners, query)
        if block.left is None:
            return chosen
        return chosen & block.left if (chosen & block.left).any() else block.left
    # In a template crop, the target is in the middle and has a known area. Assume its present shape.
    _, _, w, h = seen.result.box
    stretch = (w / h) ** 0.5 if w > 0 and h > 0 else 1.0
    x, y = 0.5 / seen.template_factor * stretch, 0.5 / seen.template_factor / stretch
    return select_places(block.template.queries, (0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y), query)


def select_places(side: int, box: Corners, query: Query) -> NDArray[np.bool_]:
    """Find the places (side * side,) of a grid in a box (fractions, xyxy), or the place nearest to its middle."""
    if query == "all":
        return np.ones(side * side, bool)
    centers = (np.arange(side) + 0.5) / side
    x1, y1, x2, y2 = box
    inside = ((centers >= y1) & (centers <= y2))[:, None] & ((centers >= x1) & (centers <= x2))[None]
    if query == "center" or not inside.any():
        row, column = (int(np.abs(centers - middle).argmin()) for middle in ((y1 + y2) / 2, (x1 + x2) / 2))
        inside = np.zeros((side, side), bool)
        inside[row, column] = True
    return inside.ravel()
