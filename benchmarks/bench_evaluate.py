"""How evaluation grows with its worker processes: frames per second of the same job with 1, 2, ... workers.

    python benchmarks/bench_evaluate.py --workers 1 2 --rounds 3
    python benchmarks/bench_evaluate.py --workers 1 2 4 8 --wait 100

The data set is the demo clip as pictures, under several names. Each worker computes with one thread. Rounds with
different numbers of workers alternate; the median of each is printed. `whole` is the job from start to end, with
starting processes and loading the model; `steady` is what follows once each worker could have ended a sequence. `busy`
is the part of the workers' time, once all had begun, in which they had a sequence: it shows even on a machine with
other work whether the one process that hands out sequences and writes results holds them up. `--wait` takes a tracker
that waits in place of calculating, as on a machine with cores to spare: what is left is the work of the runner itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image as Picture

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.sequence import VideoSequence
from mixformer.engines import Runtime
from mixformer.evaluation.runs import EvaluationEvent, EvaluationRun, TrackerMaker, run_evaluation
from mixformer.run.executor import Completed, Started
from mixformer.run.process_executor import ProcessExecutor
from mixformer.tracking.factory import TrackerFactory
from mixformer.types import Box, Image, TrackResult
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.video.reader import open_video
from mixformer.weights.tracker_settings import load_tracker_config


def main() -> None:
    options = parse()
    make = choose_tracker(options)
    found: dict[int, list[tuple[float, float, float]]] = {workers: [] for workers in options.workers}
    with tempfile.TemporaryDirectory() as place:
        frames = write_frames(Path(place) / "img", options.frames)
        sequences = make_sequences(frames, options.sequences)
        for number in range(options.rounds):
            for workers in options.workers:
                out = Path(place) / f"{number}_{workers}"
                found[workers].append(measure(EvaluationRun("ours", "copies", sequences, make, out), workers))
    count = len(frames) * options.sequences
    print(f"{options.sequences} sequences x {len(frames)} frames ({count}), {options.rounds} rounds, medians")
    first: tuple[float, float] | None = None
    for workers, rates in found.items():
        whole, steady, busy = (median(column) for column in zip(*rates, strict=True))
        first = first or (whole, steady)
        print(
            f"{workers:2} workers: whole {whole:7.1f} frames/s ({whole / first[0]:.2f} x), "
            f"steady {steady:7.1f} frames/s ({steady / first[1]:.2f} x), busy {100 * busy:.1f} %"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--frames", type=int, default=30, help="of each sequence, at most 53")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--wait", type=float, default=0, metavar="MS", help="track nothing, wait this long for a frame")
    return parser.parse_args()


@dataclass(frozen=True)
class Waits:
    """A tracker that takes its time and no processor."""

    seconds: float

    def __call__(self, number: int) -> Waits:
        return self

    def init(self, frame: Image, box: Box) -> None:
        """Wait."""
        time.sleep(self.seconds)

    def update(self, frame: Image) -> TrackResult:
        """Wait; the target stays where it was in the first frame of the demo clip."""
        time.sleep(self.seconds)
        return TrackResult(Box(*DEMO_BOX), None, 0)


def choose_tracker(options: argparse.Namespace) -> TrackerMaker:
    """What every worker makes."""
    if options.wait:
        return Waits(options.wait / 1000)
    rules = load_tracker_config(options.model)
    return TrackerFactory(options.model, rules, Runtime("cpu", options.engine, options.precision, 1))


def write_frames(folder: Path, count: int) -> list[Path]:
    """The first pictures of the demo clip as files."""
    folder.mkdir()
    paths = []
    with open_video(DEMO_CLIP, 0, count) as source:
        for frame in source:
            paths.append(folder / f"{frame.index:08d}.jpg")
            Picture.fromarray(frame.image).save(paths[-1], quality=95)
    return paths


def make_sequences(frames: list[Path], count: int) -> list[VideoSequence]:
    """Copies that differ in name alone."""
    boxes = np.tile(DEMO_BOX, (len(frames), 1))
    return [VideoSequence(f"copy_{number:03d}", tuple(frames), boxes) for number in range(count)]


def measure(job: EvaluationRun, workers: int) -> tuple[float, float, float]:
    """Frames per second of the whole job and of its steady part, and the part of their time that workers were busy."""
    clock = _Clock()
    start = time.perf_counter()
    outcome = run_evaluation(job, ProcessExecutor(workers), clock.listen)
    whole = time.perf_counter() - start
    assert not outcome.failed, outcome.failed
    frames, later = len(job.sequences[0]), len(job.sequences) - workers
    rate = frames * later / (clock.ends[-1] - clock.ends[workers - 1])
    return frames * len(job.sequences) / whole, rate, clock.busy(workers)


class _Clock:
    """When sequences were handed out and when their results were written."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self._changes: list[tuple[float, int]] = []  # when, and by how much the number of busy workers grew

    def listen(self, event: EvaluationEvent) -> None:
        """Note the time."""
        now = time.perf_counter()
        if isinstance(event, Started):
            self._changes.append((now, 1))
        elif isinstance(event, Completed):
            self._changes.append((now, -1))
            self.ends.append(now)

    def busy(self, workers: int) -> float:
        """Part of the workers' time with a sequence, from when all have one until the last is handed out."""
        times = np.array([when for when, _ in self._changes])
        at_work = np.cumsum([grown for _, grown in self._changes])
        first = int(np.flatnonzero(at_work == workers)[0])
        last = max(index for index, (_, grown) in enumerate(self._changes) if grown > 0)
        spans = np.diff(times[first : last + 1])
        return float((spans * at_work[first:last]).sum() / (workers * spans.sum()))


if __name__ == "__main__":
    main()
