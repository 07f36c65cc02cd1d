"""The style of all plots: as wide as a column of a paper, readable in print and without colors."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from mixformer.optional import installed, keep_in_cache, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

COLUMN = 3.4
"""Width of a column of a two-column paper in inches."""
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
"""The color-blind safe colors of Okabe and Ito, without their yellow, which is hard to see on paper."""
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)), (0, (1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_SIZE = 8.0  # points; captions of papers have 8 or 9
_STYLE = {
    "font.size": _SIZE,
    "axes.titlesize": _SIZE + 1,
    "axes.labelsize": _SIZE,
    "legend.fontsize": _SIZE - 1,
    "xtick.labelsize": _SIZE - 1,
    "ytick.labelsize": _SIZE - 1,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "grid.color": "#CCCCCC",
    "axes.axisbelow": True,
    "legend.handlelength": 2.8,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,  # text stays text; some publishers refuse type 3 fonts
}


def require_matplotlib() -> None:
    """Raise MissingDependencyError, with the install command, if matplotlib is not installed."""
    if not installed("matplotlib"):
        raise missing("matplotlib", "drawing plots", " (or leave them out with --no-plots)")


def with_style(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function draw in the style of this package, and leave matplotlib's settings unchanged."""

    @wraps(draw)
    def styled(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        keep_in_cache("matplotlib")
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def new_figure(height: float, *, polar: bool = False) -> tuple[Figure, Any]:
    """Make an empty figure of a height in inches, without a window, and its axes (`PolarAxes` if polar)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.add_subplot(projection="polar" if polar else None)
    axes.grid(True)
    return figure, axes


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put a legend under the axes, in two columns."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def look(number: int) -> dict[str, Any]:
    """Return color and dashes of line `number`; after eight lines, the colors repeat with other dashes."""
    return {
        "color": COLORS[number % len(COLORS)],
        "linestyle": DASHES[(number + number // len(COLORS)) % len(DASHES)],
        "linewidth": 1.4,
    }


def figure_writers(figure: Figure) -> dict[str, Callable[[Path], object]]:
    """Return the functions that write a figure as PNG (300 dots per inch) and as PDF, by the ending of the file."""

    @with_style
    def png(path: Path) -> None:
        figure.savefig(path, format="png", dpi=300)

    @with_style
    def pdf(path: Path) -> None:
        figure.savefig(path, format="pdf", metadata={"CreationDate": None})

    return {"png": png, "pdf": pdf}


@with_style
def png_bytes(figure: Figure, dots: int = 200) -> bytes:
    """Draw a figure as a PNG file in memory, with `dots` per inch."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots)
    return file.getvalue()
