"""Long runs: memory, descriptors and threads stay as they are."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.material import quiet_environment
from tests.torture.tally import Finding, Kept, Tally


@dataclass(frozen=True)
class Weight:
    """Size of a process: megabytes of memory, open descriptors, threads."""

    memory: float
    descriptors: int
    threads: int


def weigh() -> Weight:
    """Weigh this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    tasks = len(os.listdir("/proc/self/task"))
    return Weight(
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd")), max(tasks, threading.active_count())
    )


def _frames(model: str, count: int) -> list[Weight]:
    """One tracker, many frames."""
    from mixformer import Tracker

    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (90, 120, 3), dtype=np.uint8) for _ in range(7)]
    tracker = Tracker(model, engine="torch", device="cpu", threads=1)
    tracker.init(pictures[0], (10, 30, 20, 20))
    weights = []
    for number in range(count):
        tracker.update(pictures[number % 7])
        if number in (count // 3, count - 1):
            weights.append(weigh())
    return weights


def _trackers(model: str, count: int) -> list[Weight]:
    """Many trackers, made, used once and dropped."""
    from mixformer import Tracker

    picture = np.zeros((90, 120, 3), np.uint8)
    weights = []
    for number in range(count):
        tracker = Tracker(model, engine="torch", device="cpu", threads=1)
        tracker.init(picture, (10, 30, 20, 20))
        tracker.update(picture)
        if number in (count // 3, count - 1):
            weights.append(weigh())
    return weights


def _dropped(model: str, count: int, clip: str) -> list[Weight]:
    """Videos that are begun and never finished."""
    from mixformer import create_engine, track

    engine, weights = create_engine(model, device="cpu", engine="torch", threads=1), []
    for number in range(count):
        next(iter(track(clip, (10, 30, 20, 20), model=engine)))
        if number in (count // 3, count - 1):
            weights.append(weigh())
    return weights


KINDS: dict[str, Any] = {"frames": _frames, "trackers": _trackers, "dropped": _dropped}
COUNTS = {"frames": 20_000, "trackers": 500, "dropped": 60}
_MAY_GROW = 25.0  # megabytes between a third of the way and the end


def run_long(material: Path, kept: Kept) -> list[Tally]:
    """Run each kind for long."""
    tallies = []
    for kind, count in COUNTS.items():
        tally = kept.tally(f"{count} {kind}")
        if not tally.tried and not kept.stopped:
            with tempfile.TemporaryDirectory(prefix="torture-") as room:
                wrong = run(kind, count, material, Path(room))
            if wrong:
                tally.findings.append(Finding(f"{tally.surface}:{kept.seed}:0", "failed", "; ".join(wrong), ""))
            tally.tried = 1
            kept.save(now=True)
        tallies.append(tally)
    return tallies


def run(kind: str, count: int, material: Path, room: Path) -> list[str]:
    """Run one kind in a process of its own; what is wrong."""
    for folder in ("home", "tmp", "cache"):
        (room / folder).mkdir(parents=True, exist_ok=True)
    words = [
        kind,
        str(material / "model"),
        str(count),
        *([str(material / "clips" / "clip.mp4")] if kind == "dropped" else []),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.endurance", *words],
        env=quiet_environment(room),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return [f"{kind}: {done.stderr[-400:]}"]
    before, after = (Weight(**weight) for weight in json.loads(done.stdout))
    wrong = []
    if after.memory - before.memory > _MAY_GROW:
        wrong.append(f"{kind}: memory from {before.memory:.0f} to {after.memory:.0f} MB")
    if after.descriptors > before.descriptors + 2 or after.threads > before.threads + 2:
        wrong.append(f"{kind}: from {before} to {after}")
    return wrong


if __name__ == "__main__":
    name, model_folder, size, *clips = sys.argv[1:]
    sys.stdout.write(json.dumps([asdict(weight) for weight in KINDS[name](model_folder, int(size), *clips)]))
