"""The reliability diagram: the rate of right boxes by score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mixformer.evaluation.metrics import ScoreBins
from mixformer.evaluation.report.figures import (
    COLORS,
    COLUMN,
    MARKERS,
    look,
    note_value,
    require_matplotlib,
    with_style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 4  # lines


@with_style
def draw_reliability(bins: Mapping[str, ScoreBins], title: str = "Does the score mean what it says?") -> Figure:
    """Draw the rate of right boxes against the score, a line for each name, and the number of frames in each bin.

    On the dashed diagonal, the score is the rate of right boxes; below it, the score is too high. The legend has the
    expected calibration error.

    Args:
        bins: scores by name, such as "before" and "after"; at most four are drawn.
        title: text above the diagram.

    Raises:
        MissingDependencyError: if matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import bin_scores, draw_reliability
        >>> bins = bin_scores(np.array([0.9, 0.9, 0.2]), np.array([True, False, False]))
        >>> draw_reliability({"ours": bins}, "Score on my clips").axes[0].get_title()
        'Score on my clips'
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMN, 4.2), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(5, 2))
    axes.grid(True)
    axes.plot([0, 1], [0, 100], color="#888888", linestyle="--", linewidth=0.8)
    shown = list(bins.items())[:_MOST]
    width = 0.09 / len(shown)
    for number, (name, each) in enumerate(shown):
        known = each.counts > 0
        label = f"{name} (ECE {each.error:.3f})"
        style = {**look(number), "linestyle": "-", "marker": MARKERS[number % len(MARKERS)], "markersize": 3}
        axes.plot(each.scores[known], 100 * each.rates[known], label=label, **style)
        for score, rate, count in zip(each.scores[known], 100 * each.rates[known], each.counts[known], strict=True):
            note_value(axes, score, rate, f"{name}\nscore {score:.2f}, {rate:.1f} % right\n{count:.0f} frames")
        places = np.arange(len(each.counts)) / len(each.counts) + 0.005 + (number + 0.5) * width
        counts.bar(places, each.counts, width, color=COLORS[number])
        for place, count in zip(places, each.counts, strict=True):
            counts.annotate(
                f"{count:.0f}", (place, max(count, 1)), (0, 1), textcoords="offset points", fontsize=4.5, ha="center",
                va="bottom", rotation=90,
            )  # fmt: skip
    axes.set(title=title, ylabel="Boxes with IoU above 0.5 [%]", xlim=(0, 1), ylim=(0, 101))
    axes.legend(loc="upper left", framealpha=0.85)
    most = max(float(each.counts.max()) for _, each in shown)
    counts.set(xlabel="Score", ylabel="Frames", xlim=(0, 1), yscale="log", ylim=(0.7, 12 * max(most, 1)))
    return figure
