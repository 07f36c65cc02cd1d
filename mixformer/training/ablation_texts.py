"""The table of an ablation beside the published one, with the spread over seeds and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np

from mixformer.evaluation import paper_ablations
from mixformer.training.ablation_runs import AblationResult

_ENOUGH = 3  # seeds for a verdict
_SPEEDS = {"cpu": ("fps_cpu", "fps_gpu"), "cuda": ("fps_gpu", "fps_cpu")}  # of the paper, by the device here
_DEVICES = {"cpu": "CPU", "cuda": "GPU", "fps_cpu": "CPU", "fps_gpu": "GPU"}


def ablation_report(result: AblationResult) -> str:
    """Write the table and its verdicts as Markdown.

    Accuracies are in percent. A published order counts as confirmed or reversed only if every seed of one row lies
    above every seed of the other, with three seeds or more. Speeds stand beside those that the paper measured on the
    same kind of processor, if it gives them for all rows; the heading names the kind. Their ratios to the first row
    can be compared between any two machines.

    Example:
        >>> from mixformer.training import ABLATIONS, AblationResult, ablation_report
        >>> values = {0: {1: {"value": 0.5}}, 1: {1: {"value": 0.6}}}
        >>> print(ablation_report(AblationResult(ABLATIONS["v2-3f"], "tiny", (1,), values)))
        ### Intermediate teacher (MixFormerV2 table 3f)
        <BLANKLINE>
        | | paper, AUC | here, IoU | each seed | IoU above 0.5 | M parameters |
        |---|---|---|---|---|---|
        | 12 to 4 blocks | 64.8 | 50.0 | 50.0 | - | - |
        | 12 to 8 to 4 blocks | 65.5 | 60.0 | 60.0 | - | - |
        <BLANKLINE>
        - 12 to 8 to 4 blocks above 12 to 4 blocks: too few seeds (10.0 in pairs)
    """
    lines = [f"### {result.table.title} ({result.table.source})", ""]
    if result.table.measures == "speed":
        return "\n".join([*lines, *_speeds(result)])
    published = published_values(result)
    tracked = result.scale == "paper" or any(row.settings for row in result.table.rows)
    halves = [] if tracked else ["IoU above 0.5"]
    lines += _header("", "paper, AUC", f"here, {'AUC' if tracked else 'IoU'}", "each seed", *halves, "M parameters")
    for number, row in enumerate(result.table.rows):
        values = list(measured_values(result, number).values())
        more = [_each(list(measured_values(result, number, "over_half").values())) for _ in halves]
        cells = _number(published[number]), _spread(values), _each(values), *more, _size(result, number)
        lines.append(_row(row.label, *cells))
    return "\n".join([*lines, "", *_verdicts(result, published)]).rstrip()


def published_values(result: AblationResult, metric: str = "auc") -> list[float | None]:
    """Return the numbers of the paper, one for each row: AUC on LaSOT in percent, or frames per second."""
    found = {
        each.row: each.value
        for each in paper_ablations()
        if each.source == result.table.source
        and each.row
        and each.metric == metric
        and (metric != "auc" or each.dataset == "lasot")
    }
    factor = 100 if metric == "auc" else 1
    return [factor * found[row.number] if row.number in found else None for row in result.table.rows]


def measured_values(result: AblationResult, number: int, name: str = "value") -> dict[int, float]:
    """Return what was measured of a row under a name, by seed: percent, or frames per second."""
    factor = 1 if result.table.measures == "speed" else 100
    found = result.values.get(number, {})
    return {seed: factor * values[name] for seed, values in found.items() if name in values}


def _speeds(result: AblationResult) -> list[str]:
    """The lines of a table of speeds."""
    devices = sorted({found.get("device", "") for row in result.values.values() for found in row.values()} - {""})
    metric, published = _published_speeds(result, devices)
    here = f" ({' and '.join(_DEVICES.get(each, each) for each in devices)})" if devices else ""
    lines = _header(
        "",
        f"paper, frames a second ({_DEVICES[metric]})",
        f"here, frames a second{here}",
        "paper, times the first row",
        "here, times the first row",
        "here, CPU seconds a frame",
        "each round",
        "M parameters",
    )
    first = measured_values(result, 0)
    for number, row in enumerate(result.table.rows):
        values = measured_values(result, number)
        base, own = published[0], published[number]
        ratio = own / base if base and own else None
        ratios = [value / first[seed] for seed, value in values.items() if seed in first]
        busy = [found["cpu_seconds"] for found in result.values.get(number, {}).values() if "cpu_seconds" in found]
        numbers = _number(own), _spread(list(values.values())), _number(ratio, 2), _spread(ratios, 2), _spread(busy, 3)
        lines.append(_row(row.label, *numbers, _each(list(values.values())), _size(result, number)))
    return lines


def _published_speeds(result: AblationResult, devices: Sequence[str]) -> tuple[str, list[float | None]]:
    """Frames per second of the paper, all on one kind of processor: that of this machine if the paper has it."""
    for metric in _SPEEDS.get(devices[0] if len(devices) == 1 else "cpu", _SPEEDS["cpu"]):
        found = published_values(result, metric)
        if all(value is not None for value, row in zip(found, result.table.rows, strict=True) if row.number):
            break
    return metric, found


def _header(*words: str) -> list[str]:
    return [f"| {' | '.join(words)} |".replace("|  |", "| |"), "|" + "---|" * len(words)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, places: int = 1) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _each(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values) or "-"


def _size(result: AblationResult, number: int) -> str:
    """Millions of parameters."""
    sizes = [found["parameters"] for found in result.values.get(number, {}).values() if "parameters" in found]
    return _number(sizes[0] if sizes else None)


def _spread(values: list[float], places: int = 1) -> str:
    """Mean and standard deviation."""
    if len(values) < 2:
        return _number(values[0] if values else None, places)
    return f"{np.mean(values):.{places}f} ± {np.std(values, ddof=1):.{places}f}"


def _verdicts(result: AblationResult, published: list[float | None]) -> list[str]:
    """For each row and the next better ones of the paper, whether its order appears; then rows of one's own."""
    levels: dict[float, list[int]] = {}  # rows of the same published number have no order among them
    for number, value in enumerate(published):
        if value is not None:
            levels.setdefault(value, []).append(number)
    pairs = [pair for low, high in pairwise(sorted(levels)) for pair in product(levels[high], levels[low])]
    own = [number for number, row in enumerate(result.table.rows) if row.own]
    pairs += [(number, other) for number in own for other in range(number)]
    return [_verdict(result, better, worse) for better, worse in pairs]


def _verdict(result: AblationResult, better: int, worse: int) -> str:
    high, low = measured_values(result, better), measured_values(result, worse)
    seeds = sorted(high.keys() & low.keys())
    said = "not measured"
    if seeds:
        above, below = [high[seed] for seed in seeds], [low[seed] for seed in seeds]
        order = "confirmed" if min(above) > max(below) else "reversed" if max(above) < min(below) else "not decided"
        order = order if len(seeds) >= _ENOUGH else "too few seeds"
        order = "the same network" if above == below else order
        said = f"{order} ({_spread([a - b for a, b in zip(above, below, strict=True)])} in pairs)"
    rows = result.table.rows
    return f"- {rows[better].label} above {rows[worse].label}: {said}"
