"""The style of all plots: as wide as a column of a paper, readable in print and without colors."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary
from xml.etree import ElementTree

from mixformer.optional import keep_in_cache, require

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

_THEME = {"#000000": "currentColor", "#ffffff": "var(--page)", "#cccccc": "var(--edge)", "#dddddd": "var(--soft)"}
_THEME |= dict.fromkeys(("#333333", "#555555", "#888888"), "var(--quiet)")  # the names of page.css
_VALUES: WeakKeyDictionary[Figure, list[tuple[Axes, float, float, str]]] = WeakKeyDictionary()


def require_matplotlib() -> None:
    """Raise MissingDependencyError, with the install command, if matplotlib is not installed."""
    require("matplotlib", "drawing plots", " (or leave them out with --no-plots)")


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
    """Return the functions that write a figure as PNG (300 dots per inch) and as PDF, by the ending of the file.

    It is drawn in memory, since matplotlib answers a full disk by an error that does not name it.
    """

    @with_style
    def drawn(format: str, **how: Any) -> bytes:
        file = io.BytesIO()
        figure.savefig(file, format=format, **how)
        return file.getvalue()

    return {
        "png": lambda path: path.write_bytes(drawn("png", dpi=300)),
        "pdf": lambda path: path.write_bytes(drawn("pdf", metadata={"CreationDate": None})),
    }


def note_value(axes: Axes, x: float, y: float, text: str) -> None:
    """Keep the text that the page shows when the mouse is at a place of a plot, given in the units of its axes."""
    _VALUES.setdefault(axes.get_figure(root=True), []).append((axes, x, y, text))  # type: ignore[arg-type]


def noted_values(figure: Figure) -> list[tuple[float, float, str]]:
    """Return the noted texts of a drawn figure, with their places in fractions of its width and height."""
    width, height = figure.bbox.width, figure.bbox.height
    places = [(axes.transData.transform((x, y)), text) for axes, x, y, text in _VALUES.get(figure, [])]
    return [(round(float(x / width), 4), round(float(1 - y / height), 4), text) for (x, y), text in places]


@with_style
def svg_text(figure: Figure, name: str) -> str:
    """Draw a figure as an SVG element for a page: in the colors of its theme, without styles, all names its own."""
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
        looks = dict(re.findall(r"([\w-]+): ([^;]+)", element.attrib.pop("style", "")))
        known = {key.split("}")[-1]: value for key, value in (element.attrib | looks).items()}
        element.attrib = {key: _for_page(key, value, name) for key, value in known.items()}
    root.attrib |= {
        "fill": "currentColor",
        "stroke-linejoin": "round",
        "role": "img",
        "aria-label": name.replace("_", " "),
    }
    return ElementTree.tostring(root, "unicode")


def _for_page(key: str, value: str, name: str) -> str:
    """Return the value of an attribute with names that no other plot has, and colors that follow the theme."""
    if key == "id":
        return f"{name}-{value}"
    if key in ("fill", "stroke"):
        value = _THEME.get(value.lower(), value)
    return re.sub(r"^(url\()?#(?![0-9a-f]{6}$)", rf"\g<1>#{name}-", value)
