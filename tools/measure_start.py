"""Time from the shell to the first box of `mixformer track` with the default model, split into its parts.

Each run is a process of its own that does what the command does, in its order. Seconds of wall time and of processor
time; the latter says more on a busy machine. The median of several runs counts.

    python tools/measure_start.py                       graphs compiled in an earlier run
    MIXFORMER_CACHE=off python tools/measure_start.py   compiled anew, as after an update
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time


def child(engine: str, begin: float) -> None:
    marks = [("interpreter", begin, 0.0), ("", time.time(), time.process_time())]

    def mark(name: str) -> None:
        marks.append((name, time.time(), time.process_time()))

    from mixformer.cli.main import build_parser

    words = ["track", "clip.mp4", "--box", "260", "29", "41", "142", "--engine", engine]
    options = build_parser("track").parse_args(words)["track"]
    mark("command line")
    from mixformer import Runtime
    from mixformer.tracking import MultiTracker
    from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
    from mixformer.video.reader import open_video

    mark("imports")
    tracker = MultiTracker(options.model, runtime=Runtime("cpu", options.engine), on_resize="rescale")
    mark("engine")
    with open_video(DEMO_CLIP) as video:
        frames = (frame.image for frame in video)
        first = next(frames)
        mark("video")
        if hasattr(tracker.engine, "prepare"):
            tracker.engine.prepare()
        mark("compile")
        tracker.add(first, DEMO_BOX)
        mark("template")
        tracker.update(next(frames))
        mark("first box")
    names = [name or "interpreter" for name, *_ in marks[1:]]
    print(json.dumps([(n, b[1] - a[1], b[2] - a[2]) for n, a, b in zip(names, marks, marks[1:], strict=False)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.engine, options.child)
        return
    runs = []
    for _ in range(options.runs + 1):  # the first one compiles, and reads files from the disk
        words = [sys.executable, __file__, "--engine", options.engine, "--child", repr(time.time())]
        runs.append(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
    print(f"{'':14s}  wall s   processor s   (medians of {options.runs})")
    for row in zip(*runs[1:], strict=True):
        wall, used = (statistics.median(entry[i] for entry in row) for i in (1, 2))
        print(f"{row[0][0]:14s} {wall:7.3f} {used:10.3f}")
    wall, used = (statistics.median(sum(part[i] for part in run) for run in runs[1:]) for i in (1, 2))
    print(f"{'together':14s} {wall:7.3f} {used:10.3f}")


if __name__ == "__main__":
    main()
