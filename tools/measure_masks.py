"""Measure GrabCut masks on the real sequences that have masks, next to the filled box and the inscribed ellipse.

python tools/measure_masks.py --data data-pack [--split val] [--boxes truth|jittered|tracked] [--every 5]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from rich.console import Console
from rich.table import Table

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.annotated_folders import read_sequences
from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.engines import Runtime, create_engine
from mixformer.evaluation import run_tracker
from mixformer.masks.grabcut import GrabCutRefiner, inscribed_ellipse
from mixformer.masks.refiner import Mask
from mixformer.tracking import Tracker
from mixformer.types import Box
from mixformer.weights.tracker_settings import load_tracker_config

METHODS = ("box", "ellipse", "grabcut")


def main() -> None:
    options = parse()
    refiner = GrabCutRefiner(**json.loads(options.settings))
    sequences = [
        s for s in read_sequences(options.data / "sequences", {"dev_use": options.split}) if mask_file(s, 0).is_file()
    ]
    table = Table(title=f"mean mask IoU, {options.split}, {options.boxes} boxes, every frame in {options.every}")
    for column in ("sequence", "frames", *METHODS, "median ms"):
        table.add_column(column, justify="left" if column == "sequence" else "right")
    rows = []
    for sequence in sequences:
        found = np.array(list(values_of(sequence, refiner, options)))
        rows.append([*found[:, :3].mean(0), np.median(found[:, 3])])
        table.add_row(sequence.name, str(len(found)), *cells(rows[-1]))
    table.add_section()
    table.add_row("mean of sequences", "", *cells(np.mean(rows, 0)))
    Console(width=110).print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data-pack"))
    parser.add_argument("--split", default="val", help="val for the final numbers, train for choosing settings")
    parser.add_argument(
        "--boxes",
        choices=["truth", "jittered", "tracked"],
        default="truth",
        help="of the annotation; with each side moved by up to a tenth; or found by the default model",
    )
    parser.add_argument("--every", type=int, default=5, help="measure one frame in this many")
    parser.add_argument("--settings", default="{}", help="arguments of GrabCutRefiner as JSON")
    parser.add_argument("--threads", type=int, default=1, help="of OpenCV")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    return options


def values_of(sequence: VideoSequence, refiner: GrabCutRefiner, options: argparse.Namespace) -> Iterator[list[float]]:
    """IoU of every method and the milliseconds of GrabCut; frames without target are left out."""
    boxes = boxes_of(sequence, options.boxes)
    for index in range(0, len(sequence), options.every):
        with PillowImage.open(mask_file(sequence, index)) as picture:
            truth = np.asarray(picture.convert("L")) > 127
        if not truth.any() or not np.isfinite(boxes[index]).all():
            continue
        frame, box = read_frame(sequence.frames[index]), Box(*boxes[index])
        begin = time.perf_counter()
        mask = refiner(frame, box)
        seconds = time.perf_counter() - begin
        masks = (filled(box, truth.shape), inscribed_ellipse(truth.shape, box), mask)
        yield [*(overlap(m, truth) for m in masks), 1e3 * seconds]


def boxes_of(sequence: VideoSequence, kind: str) -> np.ndarray:
    if kind == "tracked":
        engine = create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", precision="float32"))
        return run_tracker(Tracker(engine, load_tracker_config(DEFAULT_MODEL)), sequence).boxes
    if kind == "truth":
        return sequence.boxes
    moves = np.random.default_rng(0).uniform(-0.1, 0.1, sequence.boxes.shape) * sequence.boxes[:, [2, 3, 2, 3]]
    return sequence.boxes + moves + np.pad(-moves[:, :2], [(0, 0), (2, 0)])


def mask_file(sequence: VideoSequence, index: int) -> Path:
    path = sequence.frames[index]
    return path.parent.parent / "mask" / f"{path.stem}.png"


def filled(box: Box, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.bool_)
    x1, y1, x2, y2 = (max(0, round(v)) for v in box.xyxy)
    mask[y1:y2, x1:x2] = True
    return mask


def overlap(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / (first | second).sum())


def cells(row: np.ndarray | list[float]) -> list[str]:
    return [*(f"{value:.3f}" for value in row[:3]), f"{row[3]:.0f}"]


if __name__ == "__main__":
    main()
