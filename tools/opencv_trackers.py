"""OpenCV's trackers behind a pipe, for tools/baselines.py; needs OpenCV and numpy alone.

For every line of JSON on standard input, {"tracker": ..., "frames": [files], "box": [x, y, w, h]}, a line of JSON goes
to standard output: {"boxes": [[x, y, w, h], ...], "times": [seconds, ...]}, or {"error": ...}. With "boxes" instead of
"box", the line says what a frame costs with a tracker for each box (step_cost.py). The first line, which says what
there is, and what lacks its files, comes unasked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from step_cost import cost_of

Box = tuple[int, int, int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, help="folder of the networks; see NETWORKS")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as OpenCV likes")
    options = parser.parse_args()
    if options.threads:
        cv2.setNumThreads(options.threads)
    makers, missing = find_makers(options.networks)
    answer({"opencv": cv2.__version__, "trackers": list(makers), "missing": missing})
    for line in sys.stdin:
        asked = json.loads(line)
        make = makers[asked["tracker"]]
        try:
            if "boxes" in asked:
                answer(cost(make, asked["frames"], asked["boxes"]))
            else:
                boxes, times = follow(make(), asked["frames"], asked["box"])
                answer({"boxes": boxes, "times": times})
        except (cv2.error, OSError) as error:
            answer({"error": str(error)})


def answer(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


# Trackers that need files: the name of their class, and the file for each of their settings.
NETWORKS = {
    "NanoTrack v2": ("Nano", {"backbone": "v2_backbone.onnx", "neckhead": "v2_head.onnx"}),
    "ViTTrack": ("Vit", {"net": "object_tracking_vittrack_2023sep.onnx"}),
    "DaSiamRPN": (
        "DaSiamRPN",
        {
            "model": "dasiamrpn_model.onnx",
            "kernel_cls1": "dasiamrpn_kernel_cls1.onnx",
            "kernel_r1": "dasiamrpn_kernel_r1.onnx",
        },
    ),
}


def find_makers(folder: Path | None) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Find what this OpenCV has, and why it lacks the others.

    CSRT and KCF are in opencv-contrib-python; the networks' trackers are in OpenCV 4.7 to 4.9 and later, without their
    files.
    """
    makers: dict[str, Callable[[], Any]] = {}
    missing = {}
    for name in ("CSRT", "KCF", "MIL"):
        if maker := getattr(cv2, f"Tracker{name}_create", None):
            makers[name] = maker
        else:
            missing[name] = f"not in this build of OpenCV {cv2.__version__}"
    for name, (kind, files) in NETWORKS.items():
        lacking = [file for file in files.values() if folder is None or not (folder / file).is_file()]
        if not hasattr(cv2, f"Tracker{kind}_create"):
            missing[name] = f"not in this build of OpenCV {cv2.__version__}"
        elif lacking:
            missing[name] = f"no {', '.join(lacking)}"
        else:
            makers[name] = partial(make_network, kind, {key: str(folder / file) for key, file in files.items()})
    return makers, missing


def make_network(kind: str, files: dict[str, str]) -> Any:
    settings = getattr(cv2, f"Tracker{kind}_Params")()
    for key, file in files.items():
        setattr(settings, key, file)
    return getattr(cv2, f"Tracker{kind}_create")(settings)


def follow(tracker: Any, frames: list[str], box: list[float]) -> tuple[list[list[float]], list[float]]:
    """Box and seconds for each frame; where the tracker has lost the target, its last box stays.

    Making the tracker and reading pictures are not timed, as for ours.
    """
    boxes, times = [box], []
    for index, path in enumerate(frames):
        image = read(path)
        start = time.perf_counter()
        if index == 0:
            tracker.init(image, whole_box(box, image.shape))
        else:
            found, now = tracker.update(image)
        times.append(time.perf_counter() - start)
        if index:
            boxes.append([float(value) for value in now] if found else boxes[-1])
    return boxes, times


def cost(make: Callable[[], Any], frames: list[str], boxes: list[list[float]]) -> dict[str, float | None]:
    """Return what a frame costs with one tracker for each box; the first frame, where they begin, does not count."""
    first, *others = map(read, frames)
    trackers = [make() for _ in boxes]
    for tracker, box in zip(trackers, boxes, strict=True):
        tracker.init(first, whole_box(box, first.shape))
    return cost_of(lambda image: [tracker.update(image) for tracker in trackers], others)


def read(path: str) -> Any:
    image = cv2.imread(path)
    if image is None:
        raise OSError(f"cannot read {path}")
    return image


def whole_box(box: list[float], shape: tuple[int, ...]) -> Box:
    """Whole pixels inside the picture, which is all that OpenCV's trackers take."""
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(round(box[0] + box[2]), shape[1]), min(round(box[1] + box[3]), shape[0])
    return left, top, max(right - left, 1), max(bottom - top, 1)


if __name__ == "__main__":
    main()
