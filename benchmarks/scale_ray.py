"""A Ray cluster of local nodes, for benchmarks/scale.py: what it costs, and what happens if a node is lost."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from mixformer import Runtime
from mixformer.optional import load
from mixformer.run import Completed, RayExecutor, VideoJob, VideoWork
from mixformer.tracking import TrackerFactory
from mixformer.video import Target
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.tracker_settings import load_tracker_config

MODEL = "mixformerv2_dino_s8"
EMPTY = 200  # tasks that do nothing


def measure_ray(nodes: int, precision: str) -> dict[str, float]:
    """Start a cluster of nodes with one CPU each; return seconds, MiB and what was tracked again after a loss."""
    ray = load("ray", "a Ray cluster")
    from ray.cluster_utils import Cluster

    begin = time.perf_counter()
    cluster = Cluster()
    settings = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    machines = [cluster.add_node(**settings) for _ in range(nodes)]
    ray.init(address=cluster.address, log_to_driver=False)
    found = {"nodes": float(nodes), "seconds to start the cluster": time.perf_counter() - begin}
    try:
        found |= empty_tasks(nodes) | lost_node(cluster, machines, precision)
    finally:
        ray.shutdown()
        cluster.shutdown()
    return found


class Nothing:
    """Makes workers that do nothing."""

    def __call__(self, number: int) -> Any:
        return lambda task, report: None


def empty_tasks(nodes: int) -> dict[str, float]:
    """Seconds until the first worker is ready, and milliseconds that Ray adds to a task."""
    begin = time.perf_counter()
    events = RayExecutor(nodes).run(Nothing(), [(str(number), None) for number in range(EMPTY)])
    ends = [time.perf_counter() for event in events if isinstance(event, Completed)]
    return {
        "seconds to the first empty task": ends[0] - begin,
        "ms for an empty task": 1000 * (ends[-1] - ends[0]) / (EMPTY - 1),
    }


class Tells:
    """Makes workers that track a video and return frames, place and memory."""

    def __init__(self, factory: TrackerFactory) -> None:
        self._work = VideoWork(factory)

    def __call__(self, number: int) -> Any:
        work = self._work(number)

        def track(job: VideoJob, report: Any) -> tuple[int, int, float]:
            frames = work(job, report).frames
            rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
            return frames, os.getpid(), sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) / 1024

        return track


def lost_node(cluster: Any, machines: list[Any], precision: str) -> dict[str, float]:
    """Track videos, take a node away after the first, and see that all are complete."""
    runtime = Runtime("cpu", precision=precision, threads=1)
    factory = TrackerFactory(MODEL, load_tracker_config(MODEL), runtime)
    memories, frames, count = [], 0, 4 * len(machines)
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            VideoJob(f"v{number}", str(DEMO_CLIP), (Target(1, DEMO_BOX),), Path(folder) / f"v{number}")
            for number in range(count)
        ]
        for event in RayExecutor(len(machines)).run(Tells(factory), [(job.name, job) for job in jobs]):
            if isinstance(event, Completed):
                if len(memories) == 0 and len(machines) > 1:
                    cluster.remove_node(machines[-1], allow_graceful=False)
                memories.append(event.result[2])
                frames += event.result[0]
        complete = sum(job.complete() for job in jobs)
    return {
        "videos asked for": float(count),
        "videos complete after the loss of a node": float(complete),
        "frames": float(frames),
        "MiB of a worker": max(memories),
    }
