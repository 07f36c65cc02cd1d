"""How much slower a step gets while another program keeps one core busy: p50 and p95, alone and beside it.

Rounds with and without the other program alternate, engines alternate within each, so that what else the machine does
falls on all alike. A step is a crop and one `locate` of the default model. On a machine that is busy anyway the numbers
mean little: look at its load first.

    python tools/measure_load.py
    OMP_WAIT_POLICY=PASSIVE python tools/measure_load.py --engines torch:float32
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.imaging.crop import crop_target
from mixformer.tracking import Tracker
from mixformer.types import Box
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

BUSY = """
import os, sys
print("busy", flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""
ENGINES = ("openvino:bfloat16", "openvino:float32", "onnx:float32", "torch:float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=ENGINES, metavar="ENGINE:PRECISION")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=30, help="of each engine in each round")
    parser.add_argument("--threads", type=int, help="of the engines; default: their own number")
    options = parser.parse_args()
    with open_video(DEMO_CLIP, 0, 1) as video:
        frame = next(iter(video)).image
    works = {}
    for name in options.engines:
        kind, precision = name.split(":")
        engine = create_engine(DEFAULT_MODEL, runtime=Runtime("cpu", kind, precision, options.threads))
        tracker = Tracker(engine)
        tracker.init(frame, DEMO_BOX)
        works[name] = (engine, tracker.state.memory, tracker.config.search_factor)
    times = defaultdict(list)
    for number in range(2 * options.rounds):
        busy = number % 2 == 1
        with background_load() if busy else nullcontext():
            for name, work in works.items():
                times[name, busy] += list(steps(*work, frame, options.steps))
    load = ", ".join(f"{v:.1f}" for v in os.getloadavg())
    print(f"{os.cpu_count()} cores, load now {load}; milliseconds a step")
    print(f"{'':20s} {'alone p50':>10s} {'p95':>8s} {'beside p50':>11s} {'p95':>8s} {'p95 ratio':>10s}")
    for name in works:
        alone, beside = (np.quantile(times[name, busy], (0.5, 0.95)) * 1e3 for busy in (False, True))
        numbers = f"{alone[0]:10.1f} {alone[1]:8.1f} {beside[0]:11.1f} {beside[1]:8.1f}"
        print(f"{name:20s} {numbers} {beside[1] / alone[1]:10.2f}")


def steps(engine, memory, factor, frame, count):
    """Seconds of each step; the first two do not count."""
    for number in range(count + 2):
        begin = time.perf_counter()
        region, _ = crop_target(frame, Box(*DEMO_BOX), factor, engine.config.search_size)
        engine.locate(region[None], memory)
        if number > 1:
            yield time.perf_counter() - begin


@contextmanager
def background_load() -> Iterator[None]:
    """Keep one core busy with another process, which ends by itself when this process is gone."""
    words = [sys.executable, "-c", BUSY, str(os.getpid())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            child.stdout.readline()
            yield
        finally:
            child.kill()


if __name__ == "__main__":
    main()
