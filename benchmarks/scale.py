"""How tracking scales on one machine: processes by threads, and memory of a process, a target and a stream.

    python benchmarks/scale.py --json scale.json

In every round each arrangement has its turn: so many processes with so many threads each track the demo clip, decoded
before, all at the same time. Two speeds are given, as ratios to one process with one thread:

- measured: frames of all processes by the time until the last is done;
- simulated: frames of each process by its processor time for each thread, added up. That is the speed if every thread
  had a core of its own, for machines that have fewer, or other work. It knows nothing of shared caches and memory.

`--ray-nodes 2` also measures a Ray cluster of local nodes: its start, an empty task, memory, and a node that is lost.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from scale_ray import measure_ray

from mixformer import MultiTracker, Runtime, Tracker, open_video
from mixformer.bench.schema import describe_machine
from mixformer.run import Completed, VideoJob, track_videos
from mixformer.video import Target
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

MIB = 2**20
STREAMS, TARGETS = (1, 4, 8), (1, 16, 64)
PICTURE = (1080, 1920)  # height and width of a stream


def main() -> None:
    options = parse()
    found: dict[str, Any] = {
        "machine": describe_machine().to_dict(),
        "load": os.getloadavg()[0],
        "arrangements": arrangements(options),
        "targets": memory_of_targets(options.precision),
        "streams": memory_of_streams(options.precision),
        "decoding": decoding(),
    }
    if options.ray_nodes:
        keep(found, options.json)  # a cluster may not start on a busy machine
        found["ray"] = measure_ray(options.ray_nodes, options.precision)
    keep(found, options.json)
    print(to_text(found))


def keep(found: dict[str, Any], path: Path | None) -> None:
    if path:
        path.write_text(json.dumps(found, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--frames", type=int, default=40, help="of each process in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray-nodes", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def arrangements(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Medians over rounds, as ratios to one process with one thread in the same round; memory of a process in MiB."""
    kinds = [(1, 1), *((p, t) for t in options.threads for p in options.processes if (p, t) != (1, 1))]
    rounds = [{kind: together(*kind, options) for kind in kinds} for _ in range(options.rounds)]
    rows = []
    for processes, threads in kinds:
        row: dict[str, Any] = {"processes": processes, "threads": threads}
        for key in ("measured", "simulated"):
            row[key] = median(each[processes, threads][key] / each[1, 1][key] for each in rounds)
        row["memory"] = median(each[processes, threads]["memory"] for each in rounds)
        rows.append(row)
    return rows


def together(processes: int, threads: int, options: argparse.Namespace) -> dict[str, float]:
    """Let processes track at the same time; return frames a second, measured and simulated, and their mean memory."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(processes), context.Queue()
    arguments = (start, results, threads, options.precision, options.frames)
    workers = [context.Process(target=track_frames, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    wall = max(end for _, end, _, _ in found) - min(begin for begin, _, _, _ in found)
    return {
        "measured": processes * options.frames / wall,
        "simulated": sum(options.frames / (cpu / threads) for _, _, cpu, _ in found),
        "memory": float(np.mean([memory for *_, memory in found])),
    }


def track_frames(start: Any, results: Any, threads: int, precision: str, frames: int) -> None:
    """One process: track decoded frames when all are ready; tell begin, end, processor seconds and memory."""
    with open_video(DEMO_CLIP) as video:
        images = [frame.image for frame in video]
    tracker = Tracker(runtime=Runtime("cpu", precision=precision, threads=threads))
    tracker.init(images[0], DEMO_BOX)
    for image in images[1:4]:
        tracker.update(image)
    start.wait()
    begin, cpu = time.time(), time.process_time()
    for number in range(frames):
        tracker.update(images[1 + number % (len(images) - 1)])
    end, cpu = time.time(), time.process_time() - cpu
    results.put((begin, end, cpu, own_memory()))


def own_memory() -> float:
    """MiB of this process alone; what it shares with others, such as libraries, does not count."""
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) / 1024


def memory_of_targets(precision: str) -> list[dict[str, float]]:
    """MiB of a process that tracks so many targets in one video."""
    return [{"targets": targets, "memory": apart(_targets, targets, precision)} for targets in TARGETS]


def _targets(targets: int, precision: str) -> float:
    tracker = MultiTracker(runtime=Runtime("cpu", precision=precision, threads=1))
    with open_video(DEMO_CLIP, stop=3) as video:
        first, *others = (frame.image for frame in video)
    for number in range(targets):
        tracker.add(first, (DEMO_BOX[0] + number % 4, *DEMO_BOX[1:]))
    for image in others:
        tracker.update(image)
    return own_memory()


def memory_of_streams(precision: str) -> list[dict[str, float]]:
    """Largest memory of a process that tracks so many videos at once, a target in each, and writes boxes."""
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4")
        return [{"streams": streams, "memory": apart(_streams, streams, precision, clip)} for streams in STREAMS]


def _streams(streams: int, precision: str, clip: Path) -> float:
    tracker = MultiTracker(runtime=Runtime("cpu", precision=precision, threads=1))
    jobs = [
        VideoJob(str(number), str(clip), (Target(1, DEMO_BOX),), clip.parent / f"{streams}" / str(number))
        for number in range(streams)
    ]
    with closing(track_videos(jobs, tracker=tracker, concurrent_videos=streams)) as events:
        done = sum(isinstance(event, Completed) for event in events)
    assert done == streams
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(work: Any, *arguments: Any) -> float:
    """Do the work in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: float = pool.apply(work, arguments)
        return found


def write_clip(path: Path, frames: int = 12) -> Path:
    """Write the demo clip's first frames again, as large as those of a camera."""
    with open_video(DEMO_CLIP, stop=frames) as video, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *PICTURE, "yuv420p"
        for frame in video:
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24").reformat(PICTURE[1], PICTURE[0])
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def decoding() -> dict[str, float]:
    """Processor time of decoding a frame of 1920x1080, in steps of the tracker with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", 40)
        tracker = Tracker(runtime=Runtime("cpu", threads=1))
        with open_video(DEMO_CLIP, stop=41) as video:
            first, *others = (frame.image for frame in video)
        tracker.init(first, DEMO_BOX)
        tracker.update(others[0])
        ratios = []
        for _ in range(3):
            before = time.process_time()
            with open_video(clip) as video:
                count = sum(1 for _ in video)
            between = time.process_time()
            for image in others:
                tracker.update(image)
            step = (time.process_time() - between) / len(others)
            ratios.append((between - before) / count / step)
    return {"steps": median(ratios)}


def to_text(found: dict[str, Any]) -> str:
    lines = ["| processes | threads each | measured | simulated | MiB of a process |", "|---:|---:|---:|---:|---:|"]
    for row in found["arrangements"]:
        numbers = f"{row['measured']:.2f} | {row['simulated']:.2f} | {row['memory']:.0f}"
        lines.append(f"| {row['processes']} | {row['threads']} | {numbers} |")
    steps = found["decoding"]["steps"]
    lines += [
        "",
        f"Load before: {found['load']:.1f} on {found['machine']['cores']} cores.",
        told("targets", found["targets"]),
        f"{told('streams', found['streams'])} A stream has {PICTURE[1]}x{PICTURE[0]} pixels.",
        f"Decoding such a frame takes the processor time of {steps:.2f} steps of the tracker.",
        *(f"Ray, {key}: {value:.3g}" for key, value in found.get("ray", {}).items()),
    ]
    return "\n".join(lines)


def told(key: str, rows: list[dict[str, float]]) -> str:
    numbers = ", ".join(f"{row[key]}: {row['memory']:.0f} MiB" for row in rows)
    each = np.polyfit([row[key] for row in rows], [row["memory"] for row in rows], 1)[0]
    return f"One process by {key}: {numbers}; {each:.1f} MiB for one more."


if __name__ == "__main__":
    main()
