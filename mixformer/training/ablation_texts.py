"""The table of an ablation beside the published one, with the spread over seeds and what it decides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mixformer.evaluation import paper_ablations
from mixformer.training.ablation_runs import AblationResult

_ENOUGH = 3  # seeds for a verdict


def ablation_report(result: AblationResult) -> str:
    """Write the table and its verdicts as Markdown.

    Accuracies are in percent. A published order counts as confirmed or reversed only if every seed of one row lies
    above every seed of the other, with three seeds or more.

    Example:
        >>> from mixformer.training import ABLATIONS, AblationResult, ablation_report
        >>> values = {0: {1: {"value": 0.5}}, 1: {1: {"value": 0.6}}}
        >>> print(ablation_report(AblationResult(ABLATIONS["v2-3f"], "tiny", (1,), values)))
        ### Intermediate teacher (MixFormerV2 table 3f)
        <BLANKLINE>
        | | paper, AUC | here, IoU | each seed | M parameters |
        |---|---|---|---|---|
        | 12 to 4 blocks | 64.8 | 50.0 | 50.0 | - |
        | 12 to 8 to 4 blocks | 65.5 | 60.0 | 60.0 | - |
        <BLANKLINE>
        - 12 to 8 to 4 blocks above 12 to 4 blocks: too few seeds (10.0 in pairs)
    """
    table, speed = result.table, result.table.measures == "speed"
    kind = "frames a second" if speed else "AUC" if result.scale == "paper" else "IoU"
    if not speed and any(row.settings for row in table.rows):
        kind = "AUC"
    published = [_published(table.source, row.number, speed) for row in table.rows]
    lines = [
        f"### {table.title} ({table.source})",
        "",
        f"| | paper, {'frames a second' if speed else 'AUC'} | here, {kind} | each seed | M parameters |",
        "|---|---|---|---|---|",
    ]
    for number, row in enumerate(table.rows):
        values = list(_values(result, number).values())
        each = ", ".join(f"{value:.1f}" for value in values) or "-"
        size = next(
            (found["parameters"] for found in result.values.get(number, {}).values() if "parameters" in found), None
        )
        paper = "-" if (known := published[number]) is None else f"{known:.1f}"
        lines.append(
            f"| {row.label} | {paper} | {_spread(values)} | {each} | {'-' if size is None else f'{size:.1f}'} |"
        )
    return "\n".join([*lines, "", *([] if speed else _verdicts(result, published))]).rstrip()


def _published(source: str, row: int, speed: bool) -> float | None:
    """The number of a row in the paper: AUC on LaSOT in percent, or frames per second (on a CPU if there are)."""
    if not row:
        return None
    found = {
        each.metric: each.value
        for each in paper_ablations()
        if (each.source, each.row) == (source, row) and (speed or each.dataset == "lasot")
    }
    if speed:
        return found.get("fps_cpu", found.get("fps_gpu"))
    return 100 * found["auc"] if "auc" in found else None


def _values(result: AblationResult, number: int) -> dict[int, float]:
    factor = 1 if result.table.measures == "speed" else 100
    return {seed: factor * found["value"] for seed, found in result.values.get(number, {}).items()}


def _spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    if len(values) < 2:
        return f"{values[0]:.1f}" if values else "-"
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def _verdicts(result: AblationResult, published: list[float | None]) -> list[str]:
    """For each row and the next better one of the paper, whether its order appears; then rows of one's own."""
    known = sorted((value, number) for number, value in enumerate(published) if value is not None)
    pairs = [(better, worse) for (low, worse), (high, better) in pairwise(known) if low < high]
    own = [number for number, row in enumerate(result.table.rows) if not row.number]
    pairs += [(number, other) for number in own for other in range(number)]
    return [_verdict(result, better, worse) for better, worse in pairs]


def _verdict(result: AblationResult, better: int, worse: int) -> str:
    high, low = _values(result, better), _values(result, worse)
    seeds = sorted(high.keys() & low.keys())
    said = "not measured"
    if seeds:
        above, below = [high[seed] for seed in seeds], [low[seed] for seed in seeds]
        order = "confirmed" if min(above) > max(below) else "reversed" if max(above) < min(below) else "not decided"
        order = order if len(seeds) >= _ENOUGH else "too few seeds"
        said = f"{order} ({_spread([a - b for a, b in zip(above, below, strict=True)])} in pairs)"
    rows = result.table.rows
    return f"- {rows[better].label} above {rows[worse].label}: {said}"
