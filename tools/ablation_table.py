"""The table of `tools/ablation.py` and what it decides."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from ablation_rows import QUESTIONS


def table(lines: list[dict[str, Any]]) -> str:
    """Markdown: mean and standard deviation over seeds of every row, then what is decided."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    halves: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if "iou" in line:
            values[line["plan"]][line["seed"]] = 100 * line["iou"]
            halves[line["plan"]].append(100 * line["over_half"])
    text = []
    for question in QUESTIONS:
        text += [
            f"### {question.title}",
            "",
            "| | paper, AUC | here, IoU | each seed | IoU above 0.5 |",
            "|---|---|---|---|---|",
        ]
        for name, label, paper in question.rows:
            seeds = list(values[name].values())
            each = ", ".join(f"{v:.1f}" for v in seeds)
            text.append(f"| {label} | {paper or '-'} | {spread(seeds)} | {each} | {spread(halves[name])} |")
        labels = {name: label for name, label, _ in question.rows}
        text += ["", *(verdict(labels, values, *claim) for claim in question.claims), ""]
    return "\n".join(text)


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    if len(values) < 2:
        return f"{values[0]:.1f}" if values else "-"
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def verdict(labels: dict[str, str], values: dict[str, dict[int, float]], better: str, worse: str) -> str:
    """Decided only if every seed of one row lies above every seed of the other."""
    seeds = sorted(values[better].keys() & values[worse].keys())
    high, low = ([values[name][seed] for seed in seeds] for name in (better, worse))
    said = "not measured"
    if seeds:
        order = "confirmed" if min(high) > max(low) else "reversed" if max(high) < min(low) else "not decided"
        pairs = np.subtract(high, low)
        said = f"{order if len(seeds) > 2 else 'too few seeds'} ({spread(list(pairs))} in pairs)"
    return f"- {labels[better]} above {labels[worse]}: {said}"
