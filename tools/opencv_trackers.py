"""OpenCV's trackers behind a pipe, for tools/baselines.py; needs OpenCV and numpy alone.

For every line of JSON on standard input, {"tracker": ..., "frames": [files], "box": [x, y, w, h]}, a line of JSON goes
to standard output: {"boxes": [[x, y, w, h], ...], "times": [seconds, ...]}, or {"error": ...}. The first line, which
says what there is, comes unasked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

Box = tuple[int, int, int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nano", type=Path, help="folder of v2_backbone.onnx and v2_head.onnx")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as OpenCV likes")
    options = parser.parse_args()
    if options.threads:
        cv2.setNumThreads(options.threads)
    makers = find_makers(options.nano)
    answer({"opencv": cv2.__version__, "trackers": list(makers)})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            boxes, times = follow(makers[asked["tracker"]](), asked["frames"], asked["box"])
        except (cv2.error, OSError) as error:
            answer({"error": str(error)})
        else:
            answer({"boxes": boxes, "times": times})


def answer(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def find_makers(nano: Path | None) -> dict[str, Callable[[], Any]]:
    """What this OpenCV has: CSRT and KCF are in opencv-contrib-python, NanoTrack in OpenCV from 4.7 on."""
    makers: dict[str, Callable[[], Any]] = {}
    for name in ("CSRT", "KCF"):
        if maker := getattr(cv2, f"Tracker{name}_create", None):
            makers[name] = maker
    if nano and hasattr(cv2, "TrackerNano_create"):
        makers["NanoTrack v2"] = lambda: make_nano(nano)
    return makers


def make_nano(folder: Path) -> Any:
    settings = cv2.TrackerNano_Params()
    settings.backbone = str(folder / "v2_backbone.onnx")
    settings.neckhead = str(folder / "v2_head.onnx")
    return cv2.TrackerNano_create(settings)


def follow(tracker: Any, frames: list[str], box: list[float]) -> tuple[list[list[float]], list[float]]:
    """Box and seconds for each frame; where the tracker has lost the target, its last box stays.

    Making the tracker and reading pictures are not timed, as for ours.
    """
    boxes, times = [box], []
    for index, path in enumerate(frames):
        image = cv2.imread(path)
        if image is None:
            raise OSError(f"cannot read {path}")
        start = time.perf_counter()
        if index == 0:
            tracker.init(image, whole_box(box, image.shape))
        else:
            found, now = tracker.update(image)
        times.append(time.perf_counter() - start)
        if index:
            boxes.append([float(value) for value in now] if found else boxes[-1])
    return boxes, times


def whole_box(box: list[float], shape: tuple[int, ...]) -> Box:
    """Whole pixels inside the picture, which is all that OpenCV's trackers take."""
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(round(box[0] + box[2]), shape[1]), min(round(box[1] + box[3]), shape[0])
    return left, top, max(right - left, 1), max(bottom - top, 1)


if __name__ == "__main__":
    main()
