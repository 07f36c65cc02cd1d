"""Draw accuracy over speed for the README from a kept report of `make baselines`; write the table of docs/numbers.md.

    python tools/accuracy_plot.py [benchmarks/baselines/REPORT.json]

Without a name, the newest kept report is drawn. Bars are 95 % intervals by the bootstrap over sequences.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "baselines"
PICTURE = ROOT / "docs" / "images" / "accuracy_speed.png"
PAGE = ROOT / "docs" / "numbers.md"
OURS, OTHERS = "#0072b2", "#777777"  # told apart by people who see few colors, and in gray


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else max(KEPT.glob("*.json"))
    report = json.loads(path.read_text())
    draw(report, PICTURE)
    before, _, rest = PAGE.read_text().partition("<!-- accuracy: ")
    _, _, after = rest.partition("<!-- end -->")
    source = path.resolve().relative_to(ROOT)
    text = f"<!-- accuracy: {source}, by tests/test_readme.py -->\n\n{table(report)}\n\n<!-- end -->"
    PAGE.write_text(f"{before}{text}{after}")


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw a point for each tracker: AUC over speed, the first tracker's being 1. A line joins a model's precisions."""
    figure, axes = plt.subplots(figsize=(7, 3.8))
    models: dict[str, list[dict[str, Any]]] = {}
    for row in report["trackers"]:
        models.setdefault(row["name"].partition(", ")[0], []).append(row)
    for model, rows in models.items():
        rows.sort(key=lambda row: row["speed"]["mean"])
        points = [(row["speed"]["mean"], row["auc"]["mean"]) for row in rows]
        color, dark = (OURS, OURS) if rows[0]["ours"] else (OTHERS, "#444444")
        axes.plot(*zip(*points, strict=True), color=color, linewidth=1, alpha=0.5)
        for place, (row, point) in enumerate(zip(rows, points, strict=True)):
            axes.errorbar(
                *point, xerr=bars(row["speed"]), yerr=bars(row["auc"]),
                fmt="o" if row["ours"] else "s", color=color, capsize=3, markersize=7, elinewidth=1.3,
            )  # fmt: skip
            # The slowest precision is named on the left, the fastest on the right, others above: none meets another.
            side = (
                {"xytext": (-7, 4), "ha": "right"}
                if place == 0
                else {"xytext": (7, 4), "ha": "left"}
                if row is rows[-1]
                else {"xytext": (0, 5), "ha": "center"}
            )
            at = point if place == 0 or row is rows[-1] else (point[0], row["auc"].get("high", point[1]))
            precision = row["name"].partition(", ")[2]
            axes.annotate(precision, at, textcoords="offset points", fontsize=8, color=dark, **side)
        if len(rows) > 1:
            top = max(row["auc"].get("high", row["auc"]["mean"]) for row in rows)
            at, side = (points[len(points) // 2][0], top), {"xytext": (0, 18), "ha": "center"}
        else:
            at, side = points[0], {"xytext": (9, -13), "ha": "left"}
        axes.annotate(model, at, textcoords="offset points", fontsize=9.5, color=dark, **side)
    speeds = [value for row in report["trackers"] for key, value in row["speed"].items() if key != "words"]
    low, high = min(speeds) / 1.8, max(speeds) * 1.5  # a name needs room on the left
    axes.set(xscale="log", xlim=(low, high), ylim=(0, 100), ylabel="AUC")
    axes.set_xlabel(f"speed, times that of {report['trackers'][0]['name']}")
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low < tick < high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def bars(found: dict[str, float]) -> list[list[float]] | None:
    return [[found["mean"] - found["low"]], [found["high"] - found["mean"]]] if "low" in found else None


def table(report: dict[str, Any]) -> str:
    """The rows of docs/numbers.md."""
    lines = ["| | AUC (95 % interval) | precision | normalized precision | speed |", "|---|---|---|---|---|"]
    for row in report["trackers"]:
        auc, speed = row["auc"], row["speed"]
        name = re.sub(r"^(mixformer[^,]*)", r"`\1`", row["name"])
        lines.append(
            f"| {name} | {auc['mean']:.1f} ({auc['low']:.1f} to {auc['high']:.1f}) "
            f"| {row['precision']['mean']:.1f} | {row['norm_precision']['mean']:.1f} | {speed['mean']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
