"""Plots of accuracy over speed, with circles by operations (MixFormerV2, figure 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mixformer.configs import model_config
from mixformer.configs.flops import frame_flops
from mixformer.evaluation.comparison import Comparison
from mixformer.evaluation.report.figures import COLORS, MARKERS, legend_below, new_figure, note_value, with_style
from mixformer.evaluation.report.metric_labels import label
from mixformer.evaluation.report.papers import paper_speeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Published trackers whose operations this package can count; the papers print none for the others.
_FAMILY = {
    "MixCvT": "mixcvt",
    "MixCvT-L": "mixcvt_l",
    "MixViT": "mixvit",
    "MixViT-L": "mixvit_l",
    "MixViT (ConvMAE)": "mixvit_convmae",
    "MixViT-L (ConvMAE)": "mixvit_l_convmae",
    "MixFormerV2-B": "mixformerv2_b",
    "MixFormerV2-B*": "mixformerv2_b",
    "MixFormerV2-S": "mixformerv2_s",
}
_AREA = 1.5  # square points of a circle for each billion of operations


@with_style
def speed(comparison: Comparison) -> Figure:
    """Draw the main metric against frames per second, a point for each tracker with times."""
    figure, axes = new_figure(2.9)
    rates = _draw_measured(axes, comparison)
    axes.margins(x=0.15, y=0.15)
    _scale(axes, rates)
    axes.set(title=f"Speed and accuracy on {comparison.dataset}")
    axes.set(xlabel="Frames per second", ylabel=f"{label(comparison.main)} [%]")
    legend_below(figure, axes)
    return figure


@with_style
def speed_beside_papers(comparison: Comparison) -> Figure | None:
    """Draw measured trackers beside those of the papers, in circles whose area grows with the operations of a frame.

    Published speeds are those of the papers' GPU. A circle of a published tracker has the operations of its official
    code; one without a circle has no published number, and is none of this family.

    Returns:
        None if no measured tracker has times, or the papers have no speeds for the data set and its main metric.
    """
    published = paper_speeds(comparison.dataset, comparison.main)
    if not published or all(entry.fps is None for entry in comparison.entries):
        return None
    figure, axes = new_figure(4.0)
    for name, (value, fps) in published.items():
        if name in _FAMILY:
            area = _AREA * frame_flops(model_config(_FAMILY[name]), reference=True) / 1e9
            axes.scatter([fps], [100 * value], s=area, facecolors="#DDDDDD", edgecolors="#7F7F7F", linewidths=0.6)
        axes.plot([fps], [100 * value], "+", color="#555555", markersize=3, markeredgewidth=0.6)
        shown = {"xytext": (2.5, 0), "va": "center", "fontsize": 4.5, "color": "#333333"}
        note_value(axes, fps, 100 * value, f"{name}\n{100 * value:.1f} at {fps:.0f} FPS")
        axes.annotate(name, (fps, 100 * value), textcoords="offset points", **shown)
    for number, entry in enumerate(comparison.entries):
        if entry.fps is not None and entry.gflops is not None:
            look = {"s": _AREA * entry.gflops, "color": COLORS[number % len(COLORS)], "alpha": 0.3, "linewidths": 0}
            axes.scatter([entry.fps], [100 * entry.summary[comparison.main]], **look)
    rates = _draw_measured(axes, comparison, 3)
    axes.margins(x=0.16, y=0.12)
    _scale(axes, [*rates, *(fps for _, fps in published.values())])
    axes.set(title=f"Speed and accuracy on {comparison.dataset}", ylabel=f"{label(comparison.main)} [%]")
    axes.set_xlabel("Frames per second (gray: the papers' GPU)\nArea of a circle: operations per frame")
    legend_below(figure, axes)
    return figure


def _draw_measured(axes: Axes, comparison: Comparison, size: float = 6) -> list[float]:
    """Draw a point for each tracker with times, and return their frames per second."""
    rates = []
    for number, entry in enumerate(comparison.entries):
        if entry.fps is not None:
            color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
            value = 100 * entry.summary[comparison.main]
            axes.plot([entry.fps], [value], marker, color=color, markersize=size, label=entry.tracker)
            note_value(axes, entry.fps, value, f"{entry.tracker}\n{value:.1f} at {entry.fps:.1f} FPS")
            rates.append(entry.fps)
    return rates


def _scale(axes: Axes, rates: Iterable[float]) -> None:
    """Choose the axis of speeds: logarithmic if they differ by more than ten times."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = min(rates), max(rates)
    if high > 10 * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, 1.15 * high)
