"""Compare the boxes of every engine with the float32 network in PyTorch, on the same crops of real sequences.

The network in PyTorch tracks. Every other engine gets the same search crops and templates, so that small differences
cannot add up from frame to frame. Differences are in pixels of the frame.

    python tools/compare_engines.py --data data-pack/sequences
    python tools/compare_engines.py                                     the bundled clip alone
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine, Runtime, create_engine
from mixformer.imaging.crop import CropWindow
from mixformer.tracking import Tracker
from mixformer.types import Box, EngineOutput, Image
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

ENGINES = ("openvino:float32", "onnx:float32", "openvino:bfloat16", "torch:bfloat16", "openvino:int8")
HALF = 0.5  # pixel: what a step may move at most, in any precision


class Side:
    """The first engine, while all others look at the same crops."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines, self.config = engines, engines[0].config
        self.found: list[np.ndarray] = []  # (engines, 4) fractions of the crop per step

    def remember(self, templates: Image) -> Any:
        return [engine.remember(templates) for engine in self.engines]

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        each = [engine.locate(search, its) for engine, its in zip(self.engines, memory, strict=True)]
        self.found.append(np.stack([location.boxes[0] for location in each]))
        return each[0]

    def join(self, memories: Sequence[Any]) -> Any:
        raise NotImplementedError("one target at a time here")


def steps(side: Side, images: Iterator[Image], box: Box) -> np.ndarray:
    """(n, engines, 4) cx, cy, w, h in pixels of the frame, relative to the crop's corner."""
    tracker = Tracker(side)
    side.found.clear()
    tracker.init(next(images), box)
    sides = []
    for image in images:
        sides.append(CropWindow.around(tracker.state.box, tracker.config.search_factor).side)
        tracker.update(image)
    return np.stack(side.found) * np.array(sides)[:, None, None]


def differences(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, engines - 1) largest difference of a left, top, right or bottom edge in pixels, and IoU, to the first."""
    corners = np.concatenate([found[..., :2] - found[..., 2:] / 2, found[..., :2] + found[..., 2:] / 2], -1)
    first, rest = corners[:, :1], corners[:, 1:]
    low, high = np.maximum(first, rest), np.minimum(first, rest)
    inside = np.clip(high[..., 2:] - low[..., :2], 0, None).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (first, rest)]
    return np.abs(rest - first).max(-1), inside / (areas[0] + areas[1] - inside)


def clips(data: Path | None, part: str) -> Iterator[tuple[str, Iterator[Image], Box]]:
    with open_video(DEMO_CLIP) as video:
        yield "demo", (frame.image for frame in video), Box(*DEMO_BOX)
    if data is None:
        return
    from mixformer.data.annotated_folders import read_sequences
    from mixformer.data.sequence import read_frame

    for sequence in read_sequences(data, {"dev_use": part}):
        yield sequence.name, map(read_frame, sequence.frames), sequence.box(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--data", type=Path, help="folder of sequences, such as sequences/ of the data pack")
    parser.add_argument("--part", default="train", help="of the data pack")
    parser.add_argument("--steps", type=int, help="of each sequence; default: all")
    parser.add_argument("--engines", nargs="+", default=ENGINES, metavar="ENGINE:PRECISION")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    pairs = (name.split(":") for name in ("torch:float32", *options.engines))
    runtimes = [Runtime("cpu", engine, precision, 1) for engine, precision in pairs]
    side = Side([create_engine(options.model, runtime=runtime) for runtime in runtimes])
    pixels, overlaps = [], []
    for name, images, box in clips(options.data, options.part):
        far, iou = differences(steps(side, islice(images, None if options.steps is None else options.steps + 1), box))
        pixels.append(far)
        overlaps.append(iou)
        print(f"{name:28s} {len(far):5d} steps, p95 px:", *(f"{v:8.4f}" for v in np.quantile(far, 0.95, 0)), flush=True)
    far, iou = np.concatenate(pixels), np.concatenate(overlaps)
    rows = {}
    for column, name in enumerate(options.engines):
        mean, p95, most = far[:, column].mean(), np.quantile(far[:, column], 0.95), far[:, column].max()
        over, overlap = (far[:, column] > HALF).mean(), iou[:, column].mean()
        rows[name] = {"mean": mean, "p95": p95, "max": most, "over_half": over, "mean_iou": overlap}
        print(
            f"{name:20s} px: mean {mean:.5f}, p95 {p95:.5f}, max {most:.5f}, above {HALF} in {over:.2%}; "
            f"mean IoU {overlap:.5f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"steps": len(far), "engines": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
