"""A small data set of one's own, and results of three trackers on it whose numbers can be worked out by hand."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mixformer.data import read_any
from mixformer.evaluation.measuring import measure_results
from mixformer.evaluation.result_folders import find_results

FRAMES, NAMES = 10, ("bird", "car", "dog", "fish")
GROUPS = {
    "fast motion": frozenset({"bird", "car"}),
    "occlusion": frozenset({"dog"}),
    "motion blur": frozenset({"car", "dog", "fish"}),
}


@dataclass(frozen=True)
class Made:
    """Folders of the set and of the results, which lie as TRACKER/toy/SEQUENCE.txt."""

    root: Path
    results: Path

    def folder(self, tracker):
        return self.results / tracker / "toy"

    def compared(self, *words, **options):
        words = words or [str(self.results / name) for name in ("ours", "shifted", "still")]
        return measure_results("toy", find_results(words, "toy"), read_any(self.root), "pytracking", **options)


def truth_of(number):
    x = 5.0 + number + 3.0 * np.arange(FRAMES)
    return np.stack([x, np.full(FRAMES, 8.0), np.full(FRAMES, 20.0), np.full(FRAMES, 12.0)], axis=1)


def moved(boxes, right, down):
    return boxes + np.array([right, down, 0.0, 0.0])


def write_boxes(path, boxes, separator=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(separator.join(f"{value:.4f}" for value in box) + "\n" for box in boxes))


def make(folder):
    """`ours` is perfect, `shifted` is 4 pixels off (IoU 2/3), `still` never moves; each separates by another sign."""
    made = Made(folder / "toy", folder / "results")
    for number, name in enumerate(NAMES):
        truth = truth_of(number)
        write_boxes(made.root / name / "groundtruth.txt", truth)
        for frame in range(FRAMES):
            picture = np.full((36, 64, 3), 60 + 20 * number, np.uint8)
            left = int(truth[frame, 0])
            picture[8:20, left : left + 20] = (200, 30, 30)
            path = made.root / name / "img" / f"{frame + 1:08d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        write_boxes(made.folder("ours") / f"{name}.txt", truth)
        write_boxes(made.folder("shifted") / f"{name}.txt", moved(truth, 4.0, 0.0), "\t")
        write_boxes(made.folder("still") / f"{name}.txt", np.repeat(truth[:1], FRAMES, 0), " ")
        for tracker, seconds in (("ours", 0.01), ("shifted", 0.004)):
            (made.folder(tracker) / f"{name}_time.txt").write_text(f"{seconds}\n" * FRAMES)
    return made


def make_comparison(folder):
    """Three trackers compared, with attributes."""
    return make(folder).compared(attributes=GROUPS)


def with_awkward_name(comparison):
    """The same, the first tracker's name holding signs that each text format has to escape."""
    entries = (replace(comparison.entries[0], tracker="a_b|c <50%> & [x]"), *comparison.entries[1:])
    return replace(comparison, entries=entries)
