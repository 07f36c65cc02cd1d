"""The figure of a table whose rows are points of curves (journal paper, figure 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixformer.errors import DataError
from mixformer.evaluation.report.figures import legend_below, look, new_figure, with_style
from mixformer.training.ablation_runs import AblationResult
from mixformer.training.ablation_texts import measured_values, published_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@with_style
def ablation_figure(result: AblationResult) -> Figure:
    """Draw accuracy over the number of blocks: a line through the means, with standard deviations, for each curve.

    Crosses are the numbers of the paper, on an axis of their own at the right, because only their order compares.

    Raises:
        DataError: if the rows of the table are no points of curves.
        MissingDependencyError: if matplotlib is not installed.

    Example:
        >>> from mixformer.training import ABLATIONS, AblationResult, ablation_figure
        >>> values = {row: {1: {"value": 0.5}} for row in range(3)}
        >>> figure = ablation_figure(AblationResult(ABLATIONS["v1-f7"], "tiny", (1,), values))
        >>> [line.get_label() for line in figure.axes[0].lines if line.get_label()[0] != "_"]
        ['DeiT III', 'MAE']
    """
    rows, published = result.table.rows, published_values(result)
    names = list(dict.fromkeys(row.point[0] for row in rows if row.point[0]))
    if not names:
        raise DataError(f"the rows of {result.table.source} are no points of a curve")
    figure, axes = new_figure(2.9)
    paper = axes.twinx()
    for number, name in enumerate(names):
        color = look(number)["color"]
        places = [place for place, row in enumerate(rows) if row.point[0] == name]
        found = {place: list(measured_values(result, place).values()) for place in places}
        own = [place for place in places if found[place]]
        spread = [float(np.std(found[place], ddof=1)) if len(found[place]) > 1 else 0.0 for place in own]
        means = [float(np.mean(found[place])) for place in own]
        axes.plot([rows[place].point[1] for place in own], means, marker="o", markersize=3, label=name, **look(number))
        axes.errorbar([rows[place].point[1] for place in own], means, spread, fmt="none", color=color, capsize=2)
        given = [(rows[place].point[1], value) for place in places if (value := published[place]) is not None]
        label = f"{name}, paper (right)" if given else None
        paper.plot([depth for depth, _ in given], [value for _, value in given], "x", color=color, label=label)
    axes.set(title=result.table.title, xlabel="Blocks at full size")
    axes.set_ylabel("Mean IoU [%]" if result.scale == "tiny" else "Success AUC [%]")
    axes.set_xticks(sorted({row.point[1] for row in rows if row.point[0]}))
    paper.set_ylabel("Success AUC on LaSOT [%]")
    legend_below(figure, axes)
    return figure
