"""Draw docs/images/accuracy_speed.png from benchmarks/accuracy_speed.csv, the figures of two runs of `make baselines`.

python tools/accuracy_plot.py

Upright bars are the 95 % intervals of the mean over the sequences, level ones the speeds of the two runs.
"""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "benchmarks" / "accuracy_speed.csv"
PICTURE = ROOT / "docs" / "images" / "accuracy_speed.png"
OURS, OTHERS = "#0072b2", "#777777"  # told apart by people who see few colors, and in gray


def main() -> None:
    figure, axes = plt.subplots(figsize=(7, 3.8))
    for row in csv.DictReader(TABLE.read_text().splitlines()):
        ours = row["tracker"].startswith("mixformer")
        speeds = [float(row[key]) for key in row if key.startswith("FPS") and row[key]]
        x, y = sum(speeds) / len(speeds), float(row["AUC"])
        axes.errorbar(
            x, y,
            xerr=[[x - min(speeds)], [max(speeds) - x]],
            yerr=[[y - float(row["low"])], [float(row["high"]) - y]],
            fmt="o" if ours else "s", color=OURS if ours else OTHERS, capsize=3, markersize=7, elinewidth=1.3,
        )  # fmt: skip
        left = row["tracker"].endswith("float32")
        axes.annotate(
            row["tracker"].replace("mixformerv2_dino_s8, ", "included model,\n"), (x, y), xytext=(-9 if left else 9, 5),
            textcoords="offset points", ha="right" if left else "left", fontsize=9.5, color=OURS if ours else "#444444",
        )  # fmt: skip
    axes.set(xscale="log", xlim=(10, 700), ylim=(20, 80), xlabel="frames per second, two CPU cores", ylabel="AUC")
    axes.set_xticks([20, 50, 100, 200, 500], ["20", "50", "100", "200", "500"])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
