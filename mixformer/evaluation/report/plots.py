"""Plots of a comparison: curves, attributes, differences and speed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from mixformer.evaluation.comparison import ComparedTracker, Comparison
from mixformer.evaluation.report.figures import (
    COLORS,
    legend_below,
    look,
    new_figure,
    note_value,
    require_matplotlib,
    with_style,
)
from mixformer.evaluation.report.metric_labels import label
from mixformer.evaluation.report.reliability import draw_reliability
from mixformer.evaluation.report.speed_plots import speed, speed_beside_papers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES = {"success": "Success", "precision": "Precision", "norm_precision": "Normalized precision"}
_BELOW = {
    "success": "Overlap threshold",
    "precision": "Center error threshold [pixels]",
    "norm_precision": "Center error threshold [fractions of the target's size]",
    "expected_overlap": "Frames after the first",
}
_NUMBERS = {"success": ("auc", "ao"), "expected_overlap": ("eao",)}
_BY_SCORE = {"longterm", "absence"}
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo", "----")
_MOST_LINES = 12  # of more trackers, only the best are drawn


def draw_plots(comparison: Comparison) -> dict[str, Figure]:
    """Draw all plots of a comparison, by the name of their files.

    These are one plot per name in `MetricSummary.curves`; `attributes_bars` if there are attributes, and
    `attributes_radar` if there are three or more; `reliability` if there are scores; `difference` of the first two
    trackers; `speed` if two trackers have times; `speed_papers` if one has, and papers have speeds for the data set.

    Raises:
        MissingDependencyError: if matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics
        >>> from mixformer.evaluation import draw_curves, draw_plots
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> found = Comparison("cars", (ComparedTracker("ours", summary, {}),), (), total=1, policy="zero")
        >>> list(draw_plots(found))
        ['success', 'precision']
    """
    require_matplotlib()
    made = {name: draw_curves(comparison, name) for name in comparison.entries[0].summary.curves}
    if len(comparison.attributes) > 2:
        made["attributes_radar"] = attribute_radar(comparison)
    if comparison.attributes:
        made["attributes_bars"] = attribute_bars(comparison)
    scored = {entry.tracker: entry.score_bins for entry in comparison.entries if entry.score_bins is not None}
    if scored:
        made["reliability"] = draw_reliability(scored)
    if len(comparison.entries) > 1:
        made["difference"] = difference(comparison, *comparison.entries[:2])
    if sum(entry.fps is not None for entry in comparison.entries) > 1:
        made["speed"] = speed(comparison)
    papers = speed_beside_papers(comparison)
    return made if papers is None else made | {"speed_papers": papers}


@with_style
def draw_curves(comparison: Comparison, name: str) -> Figure:
    """Draw one kind of curve, such as "success", with a line for each tracker, and the main number in the legend.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics
        >>> from mixformer.evaluation import draw_curves, draw_plots
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> found = Comparison("cars", (ComparedTracker("ours", summary, {}),), (), total=1, policy="zero")
        >>> draw_curves(found, "success").axes[0].get_title()
        'Success on cars'
    """
    title = _TITLES.get(name, label(name))
    by_score = comparison.entries[0].summary.convention in _BY_SCORE
    below = "Score threshold" if by_score else _BELOW.get(name, "Threshold")
    figure, axes = new_figure(2.7)
    drawn = [entry for entry in comparison.ranked[:_MOST_LINES] if name in entry.summary.curves]
    for entry in sorted(drawn, key=lambda entry: -np.nan_to_num(_number(entry, name))):
        curve, number = entry.summary.curves[name], _number(entry, name)
        shown = entry.tracker if np.isnan(number) else f"{entry.tracker} [{100 * number:.1f}]"
        inside = np.isfinite(curve.thresholds)
        axes.plot(curve.thresholds[inside], 100 * curve.values[inside], label=shown, **_look(comparison, entry))
    _note_curves(axes, drawn, name)
    axes.set(title=f"{title} on {comparison.dataset}", xlabel=below, ylabel=f"{title} [%]", ylim=(0, 101))
    axes.margins(x=0)
    axes.legend(loc="lower left" if name == "success" else "best", framealpha=0.85)
    return figure


def _note_curves(axes: Axes, drawn: list[ComparedTracker], name: str) -> None:
    """Keep, for each place of each curve, the values that all curves have there."""
    told: dict[float, list[tuple[float, str]]] = {}
    for entry in drawn:
        curve = entry.summary.curves[name]
        for threshold, value in zip(curve.thresholds.tolist(), (100 * curve.values).tolist(), strict=True):
            if np.isfinite(threshold) and np.isfinite(value):
                told.setdefault(threshold, []).append((value, entry.tracker))
    for threshold, values in told.items():
        lines = [
            f"at {threshold:.3g}",
            *(f"{value:5.1f}  {tracker}" for value, tracker in sorted(values, reverse=True)),
        ]
        for value, _ in values:
            note_value(axes, threshold, value, "\n".join(lines))


def _number(entry: ComparedTracker, curve: str) -> float:
    """Return the number in the tables that sums up a curve; NaN if there is none."""
    values = entry.summary
    return next((values[key] for key in _NUMBERS.get(curve, (curve,)) if key in values), float("nan"))


def _look(comparison: Comparison, entry: ComparedTracker) -> dict[str, Any]:
    """Return the line style of a tracker, the same in every plot."""
    return look(comparison.entries.index(entry))


@with_style
def attribute_radar(comparison: Comparison) -> Figure:
    """Draw the main metric by attribute around a circle, a closed line for each tracker (journal paper, figure 10).

    The lowest and the highest number of each spoke are beside its attribute.
    """
    names = list(comparison.attributes)
    angles = np.linspace(0, 2 * np.pi, len(names), endpoint=False)
    figure, axes = new_figure(3.8, polar=True)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    entries = comparison.entries[:_MOST_LINES]
    values = np.array([[100 * entry.by_attribute[name] for name in names] for entry in entries])
    for entry, row in zip(entries, values, strict=True):
        axes.plot(np.append(angles, angles[0]), np.append(row, row[0]), label=entry.tracker, **_look(comparison, entry))
        for name, angle, value in zip(names, angles, row, strict=True):
            note_value(axes, angle, value, f"{name}\n{value:.1f}  {entry.tracker}")
    low, high = np.floor(np.nanmin(values) / 10 - 0.5), np.ceil(np.nanmax(values) / 10)
    axes.set_ylim(max(0.0, 10 * low), 10 * high)
    axes.set_rlabel_position(np.degrees(angles[1]) / 2)
    axes.tick_params(axis="y", labelsize=5.5, labelcolor="#555555")
    axes.set_xticks(angles, [""] * len(names))
    for name, angle, spoke in zip(names, angles, values.T, strict=True):
        _name_spoke(axes, angle, f"{_folded(name, 12)}\n({spoke.min():.1f}, {spoke.max():.1f})")
    axes.set_title(f"{label(comparison.main)} by attribute on {comparison.dataset}", pad=30)
    legend_below(figure, axes)
    return figure


def _name_spoke(axes: Axes, angle: float, text: str) -> None:
    """Write text outside the end of a spoke, aligned away from the circle; angles go clockwise from the top."""
    right, up = np.sin(angle), np.cos(angle)
    axes.annotate(
        text,
        (angle, axes.get_ylim()[1]),
        xytext=(5 * right, 5 * up),
        textcoords="offset points",
        ha="center" if abs(right) < 0.3 else "left" if right > 0 else "right",
        va="center" if abs(up) < 0.5 else "bottom" if up > 0 else "top",
        fontsize=6,
        linespacing=0.95,
    )


def _folded(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


@with_style
def attribute_bars(comparison: Comparison) -> Figure:
    """Draw the main metric by attribute as horizontal bars, one for each tracker, hardest attribute on top."""
    entries = comparison.entries[:_MOST_LINES]
    best = comparison.ranked[0]
    names = sorted(comparison.attributes, key=lambda name: -best.by_attribute[name])
    thick = 0.8 / len(entries)
    figure, axes = new_figure(0.9 + 0.15 * (len(entries) + 1) // 2 + len(names) * (0.12 + 0.06 * len(entries)))
    for number, entry in enumerate(entries):
        places = np.arange(len(names)) + 0.4 - (number + 0.5) * thick
        widths = [100 * entry.by_attribute[name] for name in names]
        color, hatch = COLORS[number % len(COLORS)], _HATCHES[number % len(_HATCHES)]
        axes.barh(places, widths, thick, label=entry.tracker, color=color, hatch=hatch, edgecolor="white", linewidth=0)
        for name, place, width in zip(names, places.tolist(), widths, strict=True):
            note_value(axes, width, place, f"{name}\n{width:.1f}  {entry.tracker}")
    counts = [len(comparison.attributes[name]) for name in names]
    shown = [_folded(f"{name} ({count})", 22) for name, count in zip(names, counts, strict=True)]
    axes.set_yticks(range(len(names)), shown)
    axes.grid(False, axis="y")
    axes.set(xlabel=f"{label(comparison.main)} [%]", ylim=(-0.5, len(names) - 0.5))
    figure.suptitle(f"{comparison.dataset} by attribute (number of sequences)")
    legend_below(figure, axes)
    return figure


@with_style
def difference(comparison: Comparison, first: ComparedTracker, second: ComparedTracker) -> Figure:
    """Draw the first tracker's metric minus the second's, a bar for each sequence, sorted; name the extremes below."""
    metric, rows = comparison.sequence_metric, []
    for sequence in comparison.sequences:
        pair = [entry.value(sequence.name, metric) for entry in (first, second)]
        if pair[0] is not None and pair[1] is not None and np.isfinite(pair[0] - pair[1]):
            rows.append((100 * (pair[0] - pair[1]), sequence.name))
    rows.sort()
    gains = np.array([gain for gain, _ in rows])
    figure, axes = new_figure(2.8)
    colors = [COLORS[0] if gain >= 0 else COLORS[1] for gain in gains]
    axes.bar(np.arange(len(gains)), gains, 1.0 if len(gains) > 60 else 0.85, color=colors)
    for place, (gain, name) in enumerate(rows):
        note_value(axes, place, gain, f"{name} {gain:+.1f}")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlim=(-0.6, max(len(gains), 1) - 0.4), xticks=[], ylabel=f"Difference of {label(metric)} [points]")
    counted = f"{(gains > 0).sum()} of {len(gains)} sequences better, {(gains < 0).sum()} worse"
    lines = [counted, _ends("Most lost", [row for row in rows if row[0] < 0][:3])]
    lines.append(_ends("Most won", [row for row in rows[::-1] if row[0] > 0][:3]))
    axes.set_xlabel("\n".join(line for line in lines if line), loc="left", fontsize=7)
    figure.suptitle(_folded(f"{first.tracker} minus {second.tracker} on {comparison.dataset}", 42))
    return figure


def _ends(start: str, rows: list[tuple[float, str]]) -> str:
    named = ", ".join(f"{name} {gain:+.1f}" for gain, name in rows)
    return _folded(f"{start}: {named}", 62) if rows else ""
