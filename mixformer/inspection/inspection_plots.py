"""Draw an inspection with matplotlib, as figures and as files."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixformer.configs.argument_checks import checked
from mixformer.files import Writer, arrays_writer, write_files
from mixformer.inspection.attention_maps import PAIRS, Query, average_attention, chosen_queries
from mixformer.inspection.contact_sheet import EVEN, LARGE, Corners, contact_sheet, draw_heat, draw_picture, new_sheet
from mixformer.inspection.frame_inspection import FrameInspection
from mixformer.inspection.network_maps import Grid
from mixformer.optional import require
from mixformer.types import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = {
    "search": "search region",
    "template": "template",
    "online": "online templates",
    "tokens": "prediction tokens",
}
_EDGES = ("left", "right", "top", "bottom")
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's, which color-blind people can tell apart


@checked
def plot_attention(seen: FrameInspection, pair: str, query: Query = "target") -> Figure:
    """Draw the attention of one pair of queries and keys, a panel for each map.

    Args:
        seen: the inspected frame.
        pair: one of `PAIRS`, such as "search_to_template".
        query: places whose attention is averaged; see `average_attention`.

    Raises:
        ConfigError: if no block has the pair, or the query is unknown.
        MissingDependencyError: without matplotlib.

    Example:
        >>> from mixformer.inspection import inspect_frame, plot_attention
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> plot_attention(seen, "search_to_template").savefig("search_to_template.png")
    """
    maps = average_attention(seen, pair, query)
    queries, keys = pair.split("_to_")
    blocks = {block.name: block for block in seen.result.blocks}
    pictures, box = _pictures(seen, keys), seen.corners if keys == "search" else None
    # 1. The first row shows the queries, and the pictures that they attend to.
    header = [(name, partial(draw_picture, picture=each, box=box)) for name, each in pictures]
    chosen = chosen_queries(blocks[next(reversed(maps))], seen, pair, query)
    if chosen is not None:
        asking = [(f"queries: {name}", _dimmed(each, chosen)) for name, each in _pictures(seen, queries)]
        header = [(name, partial(draw_picture, picture=each)) for name, each in asking] + header
    # 2. All other rows show the blocks.
    panels = []
    for name, weights in maps.items():
        grid = blocks[name].search if keys == "search" else blocks[name].template
        for place in np.ndindex(weights.shape[:2]):
            values, picture = weights[place], pictures[place[1]][1]
            shares = f"sum {_percent(values.sum())}, max {_percent(values.max())}"
            label = f"{name} {_label(pair, weights.shape, place)}\n{shares}"
            panels.append((label, partial(_draw_map, values=values, grid=grid, picture=picture, box=box)))
    # 3. The text explains the colors.
    average = "the heads" if chosen is None else "the heads and the queries that are bright in the first row"
    text = (
        f"Share of the attention, averaged over {average}. Each panel has its own scale, from black for 0 to light "
        f"yellow for max, or for {EVEN} times the mean if that is more. The sum is this picture's share of the total."
    )
    title = f"Attention from {_NAMES[queries]} to {_NAMES[keys]}"
    return contact_sheet(title, text, header, panels, len(panels) // len(maps))


@checked
def plot_distributions(seen: FrameInspection) -> Figure:
    """Draw the search crop with the edge distributions along its sides, and the maps of a corner head beside it.

    Raises MissingDependencyError without matplotlib.

    Example:
        >>> from mixformer.inspection import inspect_frame, plot_distributions
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> plot_distributions(inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)).savefig("distributions.png")
    """
    found = seen.result.distributions
    corners = () if found.corners is None else tuple(found.corners)
    figure = new_sheet(6.5 + 4.6 * len(corners), 7.2, layout="compressed")
    figure.suptitle("Where the box is read from", fontsize=LARGE)
    places = figure.add_gridspec(2, 2 + len(corners), width_ratios=[1, *[4] * (1 + len(corners))], height_ratios=[1, 4])
    crop = figure.add_subplot(places[1, 1])
    draw_picture(crop, seen.search, seen.corners)
    if found.edges is None:
        crop.set_xlabel("A query head predicts the box itself, without distributions.", fontsize=9)
    else:
        _draw_edges(found.edges, crop, figure.add_subplot(places[0, 1]), figure.add_subplot(places[1, 0]))
    for number, (values, name) in enumerate(zip(corners, ("top-left", "bottom-right"), strict=False)):
        axes = figure.add_subplot(places[1, 2 + number])
        # Position k of n is at k / n of the crop, as for the expected position. The last one is repeated at 1.
        filled, half = np.pad(values, (0, 1), mode="edge"), 0.5 / len(values)
        draw_heat(axes, filled, -half, 1 + half, seen.search, seen.corners)
        row, column = np.unravel_index(values.argmax(), values.shape)
        at = f"{column / len(values):.3f}, {row / len(values):.3f}"
        axes.set_title(f"{name} corner: peak {_percent(values.max())} at ({at})", fontsize=9)
    return figure


@checked
def plot_crops(seen: FrameInspection) -> Figure:
    """Draw the input of the network: the templates, and the search region with the predicted box.

    Raises MissingDependencyError without matplotlib.

    Example:
        >>> from mixformer.inspection import inspect_frame, plot_crops
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> plot_crops(inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)).savefig("crops.png")
    """
    named = [*_pictures(seen, "template"), *_pictures(seen, "online")]
    figure = new_sheet(2.5 * len(named) + 4, 4)
    places = figure.add_gridspec(1, len(named) + 1, width_ratios=[2.5] * len(named) + [4])
    for number, (name, picture) in enumerate([*named, ("search region and the box found", seen.search)]):
        axes = figure.add_subplot(places[number])
        draw_picture(axes, picture, seen.corners if number == len(named) else None)
        axes.set_title(name, fontsize=9)
    return figure


@checked
def write_inspection(seen: FrameInspection, folder: str | Path, query: Query = "target") -> list[Path]:
    """Write all pictures (`crops.png`, `attention_QUERIES_to_KEYS.png`, ...) and `inspection.npz`; all or none.

    Args:
        seen: the inspected frame.
        folder: folder to write, created if missing; files of the same names are replaced.
        query: places whose attention is drawn; see `average_attention`.

    Raises:
        OutputError: if a file cannot be written; then none is, and what was there stays.
        ConfigError: if the query is unknown.
        MissingDependencyError: without matplotlib, which `FrameInspection.arrays` does not need.

    Example:
        >>> from mixformer import ModelConfig
        >>> from mixformer.inspection import inspect_frame, write_inspection
        >>> from mixformer.models import build_model
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> tiny = build_model(ModelConfig("tiny", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=8))
        >>> written = write_inspection(inspect_frame(DEMO_CLIP, DEMO_BOX, frame=1, model=tiny), "seen")
        >>> written[0].name, written[-1].name
        ('crops.png', 'inspection.npz')
    """
    require("matplotlib", "drawing an inspection")  # before other work
    place, there = Path(folder), {pair for block in seen.result.blocks for pair in block.maps}
    figures: dict[str, Callable[[], Figure]] = {
        "crops": partial(plot_crops, seen),
        "distributions": partial(plot_distributions, seen),
        **{f"attention_{pair}": partial(plot_attention, seen, pair, query) for pair in PAIRS if pair in there},
    }
    files: dict[Path, Writer] = {place / f"{name}.png": partial(_draw, figure) for name, figure in figures.items()}
    files[place / "inspection.npz"] = arrays_writer(seen.arrays(), compressed=True)
    write_files(files)
    return list(files)


def _draw(figure: Callable[[], Figure], path: Path) -> None:
    """Draw a figure when its file is written, so that only one is in memory at a time."""
    figure().savefig(path, format="png", dpi=100)


def _draw_map(axes: Axes, values: np.ndarray[Any, Any], grid: Grid, picture: Image, box: Corners | None) -> None:
    """Draw a map of keys on their picture."""
    centers = grid.key_centers()
    half = 0.5 * (1 if len(centers) == 1 else centers[1] - centers[0])
    draw_heat(axes, values, centers[0] - half, centers[-1] + half, picture, box)


def _draw_edges(edges: np.ndarray[Any, Any], crop: Axes, above: Axes, beside: Axes) -> None:
    """Draw curves above and beside the crop, a line at each expected position, and the numbers below."""
    places = np.arange(edges.shape[1]) / edges.shape[1]
    for values, name, color in zip(edges, _EDGES, _COLORS, strict=True):
        peak, expected = int(values.argmax()), float(values @ places)
        label = f"{name}: expected {expected:.3f}, peak {_percent(values[peak])} at {places[peak]:.3f}"
        across = name in ("left", "right")
        (above.plot if across else beside.plot)(*((places, values) if across else (values, places)), color=color)
        for axes in (crop, above if across else beside):
            (axes.axvline if across else axes.axhline)(expected, color=color, linewidth=1, label=label)
    above.set(xlim=(0, 1), ylim=(0, None), xticks=[])
    beside.set(ylim=(1, 0), yticks=[])
    beside.set_xlim(beside.get_xlim()[1], 0)
    for axes, aspect in ((above, 0.25), (beside, 4)):
        axes.tick_params(labelsize=7)
        axes.set_box_aspect(aspect)
    crop.figure.legend(*crop.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)


def _label(pair: str, shape: tuple[int, ...], place: tuple[int, ...]) -> str:
    """Return the part of a title that distinguishes the panels of one block."""
    words = []
    if pair.startswith("tokens_") and shape[0] == len(_EDGES):
        words.append(_EDGES[place[0]])
    if pair.startswith("online_") and shape[0] > 1:
        words.append(f"from no. {place[0] + 1}")
    if shape[1] > 1:
        words.append(f"to no. {place[1] + 1}")
    return " ".join(words)


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.995 else "100%"


def _pictures(seen: FrameInspection, part: str) -> list[tuple[str, Image]]:
    """List the titles and crops of a part: "search", "template" or "online"."""
    if part == "online":
        return [(f"online template {number + 1}", each) for number, each in enumerate(seen.templates[1:])]
    return [(_NAMES[part], seen.search if part == "search" else seen.templates[0])]


def _dimmed(picture: Image, lit: np.ndarray[Any, Any]) -> Image:
    """Darken a picture at all places that are not chosen."""
    side = math.isqrt(len(lit))
    rows, columns = (np.arange(size) * side // size for size in picture.shape[:2])
    dimmed: Image = np.where(lit.reshape(side, side)[np.ix_(rows, columns)][..., None], picture, picture // 4)
    return dimmed
