"""Draw docs/images/lost.png: the scores and states of the demo clip with its target covered for a while.

python tools/lost_picture.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from mixformer import Tracker, TrackResult, open_video
from mixformer.types import Image
from mixformer.video import Annotator
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

mpl.use("Agg")
from matplotlib import pyplot as plt

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "lost.png"
COVERED = range(18, 34)
COLORS = {"tracking": "#009e73", "uncertain": "#e69f00", "lost": "#888888"}


def main() -> None:
    tracker, annotator = Tracker(), Annotator(trail=0)
    results: list[TrackResult] = []
    shown: dict[int, Image] = {}
    with open_video(DEMO_CLIP) as video:
        for frame in video:
            image = frame.image.copy()
            if frame.index in COVERED:
                image[:, 180:460] = 128
            first = frame.index == 0
            results.append(tracker.init(image, DEMO_BOX) if first else tracker.update(image))
            if frame.index in (12, 26, 40):
                shown[frame.index] = annotator.draw(image, results[-1])
    figure, axes = plt.subplot_mosaic([["a", "b", "c"], ["curve"] * 3], figsize=(9, 4.2), height_ratios=[1, 0.9])
    for name, (number, picture) in zip("abc", shown.items(), strict=True):
        axes[name].imshow(picture)
        axes[name].set_title(f"frame {number}: {results[number].status}", fontsize=10)
        axes[name].axis("off")
    curve = axes["curve"]
    curve.plot([r.frame for r in results], [r.score or 0 for r in results], color="black", linewidth=1.2)
    for status, color in COLORS.items():
        frames = np.array([r.frame for r in results if r.status == status])
        curve.bar(frames, np.full(len(frames), 1.05), width=1, color=color, alpha=0.3, label=status)
    curve.set(xlabel="frame", ylabel="score", ylim=(0, 1.05), xlim=(0, len(results) - 1))
    curve.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=90)


if __name__ == "__main__":
    main()
