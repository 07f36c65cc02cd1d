"""Time and memory of a start: from a new process to the first box.

`python -m mixformer.bench.startup '{"weights": ...}'` is that process; it prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixformer.configs.base_config import BaseConfig
from mixformer.configs.runtime import Runtime
from mixformer.errors import MixFormerError

_FRAMES = 6  # tracked before memory is read


class StartError(MixFormerError, RuntimeError):
    """The process that was to be timed failed."""


@dataclass(frozen=True)
class Startup(BaseConfig):
    """One start.

    Attributes:
        seconds: from starting Python to the first tracked box: imports, weights, compiling, two frames.
        memory_mb: largest resident memory after a few frames, MiB; None if the system does not tell.
        gpu_memory_mb: largest memory that PyTorch took on a GPU, MiB, or None.
    """

    seconds: float
    memory_mb: float | None
    gpu_memory_mb: float | None


def measure_startup(weights: Path, runtime: Runtime, clip: Path, box: Sequence[float]) -> Startup:
    """Time a start in a process of its own.

    Args:
        weights: model folder or file.
        runtime: from `BenchmarkCase.runtime`.
        clip: video.
        box: x, y, width, height of the target in its first frame, in pixels.

    Raises:
        StartError: if the process fails; the message is the last line it printed.
    """
    task = {"weights": str(weights), "runtime": runtime.to_dict(), "clip": str(clip), "box": list(box)}
    words = [sys.executable, "-m", "mixformer.bench.startup", json.dumps({**task, "begin": time.time()})]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise StartError(f"starting {runtime.engine} in a process of its own failed: {reason}")
    return Startup.from_dict(json.loads(done.stdout.splitlines()[-1]))


def start(task: dict[str, Any]) -> Startup:
    """Do what is to be timed, in this process."""
    from mixformer.bench.cases import build_engine
    from mixformer.run import track

    engine = build_engine(Path(task["weights"]), Runtime.from_dict(task["runtime"]))
    results = track(task["clip"], task["box"], model=engine, stop=_FRAMES)
    next(results), next(results)  # the given box, and the first one found
    seconds = time.time() - task["begin"]
    for _ in results:
        pass
    return Startup(seconds, _peak_memory(), _gpu_memory())


def _peak_memory() -> float | None:
    status = Path("/proc/self/status")
    if not status.is_file():
        return None  # getrusage could report the parent's peak
    (kibibytes,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) / 2**10


def _gpu_memory() -> float | None:
    torch = sys.modules.get("torch")
    used = torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_available() else 0
    return used / 2**20 if used else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(start(json.loads(sys.argv[1])).to_dict()) + "\n")
