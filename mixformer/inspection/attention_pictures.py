"""Attention of all blocks as contact sheets, one for each pair of queries and keys."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from mixformer.errors import ConfigError
from mixformer.imaging.resize import resize_image
from mixformer.inspection.contact_sheet import PANEL, Cell, Panel, contact_sheet
from mixformer.inspection.frame_inspection import FrameInspection
from mixformer.inspection.heatmap import EVEN, dim, overlay, scaled, spread
from mixformer.inspection.network_maps import BlockAttention, FloatMap
from mixformer.types import Image

Corners = tuple[float, float, float, float]
Query = Literal["target", "center", "all"]

# In the order of the papers' figures; the last two exist with symmetric attention only.
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
_NAMES = {
    "search": "search region",
    "template": "template",
    "online": "online templates",
    "tokens": "prediction tokens",
}
_EDGES = ("left", "right", "top", "bottom")
BOX_COLOR = (64, 255, 96)


def attention_sheet(seen: FrameInspection, pair: str, query: Query = "target") -> Image:
    """Draw one pair of queries and keys in all blocks that have it.

    Args:
        seen: the inspected frame.
        pair: one of `PAIRS`.
        query: whose attention, averaged: "target" = of the places inside the box, "center" = of the place in its
            middle, "all" = of all places. The prediction tokens are always shown one by one.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ConfigError: if no block has the pair, or the query is unknown.
    """
    if query not in ("target", "center", "all"):
        raise ConfigError(f"query is 'target', 'center' or 'all', not {query!r}")
    blocks = [block for block in seen.result.blocks if pair in block.maps]
    if not blocks:
        raise ConfigError(f"no inspected block has attention from {pair.replace('_to_', ' to ')}")
    queries, keys = pair.split("_to_")
    header = [Panel(picture, name) for picture, name in _pictures(seen, keys)]
    averaged = "heads"
    if queries != "tokens":
        lit = _selected(blocks[-1], seen, queries, query)
        header = [*(Panel(_dimmed(picture, lit), f"queries: {n}") for picture, n in _pictures(seen, queries)), *header]
        averaged = "heads, for the query lit above" if lit.sum() == 1 else "heads and over the queries lit above"
    explanation = (
        f"Share of the attention, averaged over {averaged}. Each panel has its own scale, from black = 0 to light "
        f"yellow = max, or {EVEN} times the mean if that is more, so that even attention is dark. "
        "The sum is what this picture gets of all attention."
    )
    cells = [Cell(block.name, _panels(block, pair, seen, query)) for block in blocks]
    title = f"Attention from {_NAMES[queries]} to {_NAMES[keys]}"
    return contact_sheet(title, explanation, Cell("", [header]), cells)


def _panels(block: BlockAttention, pair: str, seen: FrameInspection, query: Query) -> list[list[Panel]]:
    """One row of panels; a row for each prediction token if there are several online templates."""
    queries, keys = pair.split("_to_")
    weights = average_queries(block, pair, None if queries == "tokens" else _selected(block, seen, queries, query))
    centers = (block.search if keys == "search" else block.template).key_centers()
    corners = seen.corners if keys == "search" else None
    rows = [
        [
            _heat_panel(values, centers, picture, _label(pair, weights.shape[:2], (row, column)), corners)
            for column, (values, (picture, _)) in enumerate(zip(line, _pictures(seen, keys), strict=True))
        ]
        for row, line in enumerate(weights)
    ]
    return rows if weights.shape[1] > 1 else [[row[0] for row in rows]]


def average_queries(block: BlockAttention, pair: str, selected: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Weights averaged over the selected queries (places,); prediction tokens (None) are not averaged.

    Returns:
        (Q, K, g, g): Q = prediction tokens, online templates that ask, or 1; K = online templates asked, or 1.
    """
    weights: FloatMap = block.maps[pair]
    if pair.startswith("online_"):
        weights = weights[:, selected].mean(1)
    elif selected is not None:
        weights = weights[selected].mean(0)[None]
    side = (block.search if pair.endswith("_search") else block.template).keys
    return weights.astype(float).reshape(len(weights), -1, side, side)


def _heat_panel(
    values: NDArray[np.float64], centers: NDArray[np.float64], picture: Image, label: str, box: Corners | None
) -> Panel:
    largest = float(values.max())
    heat = overlay(picture, spread(scaled(values), centers, PANEL))
    caption = f"{label}sum {_percent(values.sum())}, max {_percent(largest)}"
    return Panel(heat if box is None else with_box(heat, box), caption)


def _label(pair: str, shape: tuple[int, int], place: tuple[int, int]) -> str:
    """What tells the panels of one block apart."""
    words = []
    if pair.startswith("tokens_") and shape[0] == len(_EDGES):
        words.append(_EDGES[place[0]])
    if pair.startswith("online_") and shape[0] > 1:
        words.append(f"no. {place[0] + 1}")
    if shape[1] > 1:
        words.append(f"no. {place[1] + 1}")
    return f"{' '.join(words)}, " if words else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.995 else "100%"


def _selected(block: BlockAttention, seen: FrameInspection, queries: str, query: Query) -> NDArray[np.bool_]:
    """Which places of a crop ask, (places,)."""
    if queries == "search":
        return select_places(block.search.queries, seen.corners, query)
    return select_places(block.template.queries, _template_box(seen), query)


def _template_box(seen: FrameInspection) -> Corners:
    """The target in a template crop, where it is in the middle and its area is known.

    Its shape at that time is not: the shape that it has now is taken.
    """
    _, _, w, h = seen.result.box
    stretch = (w / h) ** 0.5 if w > 0 and h > 0 else 1.0
    x, y = 0.5 / seen.template_factor * stretch, 0.5 / seen.template_factor / stretch
    return 0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y


def select_places(side: int, box: Corners, query: Query) -> NDArray[np.bool_]:
    """Places of a grid whose middle lies in a box (fractions, xyxy), or the one nearest to the box's middle.

    Returns:
        (side * side,), row-major, at least one true.
    """
    if query == "all":
        return np.ones(side * side, bool)
    centers = (np.arange(side) + 0.5) / side
    x1, y1, x2, y2 = box
    inside = ((centers >= y1) & (centers <= y2))[:, None] & ((centers >= x1) & (centers <= x2))[None]
    if query == "center" or not inside.any():
        nearest = [int(np.abs(centers - middle).argmin()) for middle in ((y1 + y2) / 2, (x1 + x2) / 2)]
        inside = np.zeros((side, side), bool)
        inside[nearest[0], nearest[1]] = True
    return inside.ravel()


def _dimmed(picture: Image, lit: NDArray[np.bool_]) -> Image:
    """A panel, dark where no place is selected."""
    side = round(len(lit) ** 0.5)
    pixels = np.arange(PANEL) * side // PANEL
    return dim(picture, lit.reshape(side, side)[np.ix_(pixels, pixels)])


def _pictures(seen: FrameInspection, part: str) -> list[tuple[Image, str]]:
    """The crops of a part, as large as a panel, with their names; the search crop with the box found in it."""
    if part == "search":
        return [(with_box(_fit(seen.search), seen.corners), "search region")]
    if part == "template":
        return [(_fit(seen.templates[0]), "template")]
    return [(_fit(picture), f"online template {n + 1}") for n, picture in enumerate(seen.templates[1:])]


def _fit(picture: Image) -> Image:
    return resize_image(picture, PANEL, PANEL)


def with_box(picture: Image, corners: Corners) -> Image:
    """A copy of a square picture with a box, given in fractions of its side."""
    drawn = PillowImage.fromarray(picture)
    side = picture.shape[0]
    x1, y1, x2, y2 = (v * side for v in corners)
    box = (x1, y1, max(x1, x2), max(y1, y2))
    ImageDraw.Draw(drawn).rectangle(box, outline=BOX_COLOR, width=max(1, side // 150))
    return np.asarray(drawn)
