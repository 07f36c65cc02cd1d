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
    """Draw a point for each tracker: AUC over speed, the first tracker's being 1."""
    figure, axes = plt.subplots(figsize=(7, 3.8))
    rows = report["trackers"]
    for row in rows:
        speed, auc = row["speed"], row["auc"]
        color, x, y = OURS if row["ours"] else OTHERS, speed["mean"], auc["mean"]
        axes.errorbar(
            x, y, xerr=bars(speed), yerr=bars(auc),
            fmt="o" if row["ours"] else "s", color=color, capsize=3, markersize=7, elinewidth=1.3,
        )  # fmt: skip
        # Of two that are near each other, the slower has its name on the left.
        near = [each for each in rows if abs(each["auc"]["mean"] - y) < 6 and 1 < each["speed"]["mean"] / x < 3]
        axes.annotate(
            row["name"].replace(", ", ",\n"), (x, y), xytext=(-9 if near else 9, 5), textcoords="offset points",
            ha="right" if near else "left", fontsize=9.5, color=color if row["ours"] else "#444444",
        )  # fmt: skip
    speeds = [row["speed"]["mean"] for row in rows]
    axes.set(xscale="log", xlim=(min(speeds) / 3, max(speeds) * 3), ylim=(0, 100), ylabel="AUC")
    axes.set_xlabel(f"speed, times that of {rows[0]['name']}")
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if min(speeds) / 3 < tick < max(speeds) * 3]
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
