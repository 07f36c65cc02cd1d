"""Measure the memory of one engine in a separate process.

`python -m mixformer.bench.memory '{"weights": ...}'` is that process; it prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mixformer.configs.runtime import Runtime
from mixformer.errors import MixFormerError

_FRAMES = 6  # number of frames to track before memory is read


def measure_memory(weights: Path, runtime: Runtime, clip: Path, box: Sequence[float]) -> float | None:
    """Measure the peak memory, in MiB, of a new process that tracks a few frames; None if unknown. It may fail."""
    task = {"weights": str(weights), "runtime": runtime.to_dict(), "clip": str(clip), "box": list(box)}
    words = [sys.executable, "-m", "mixformer.bench.memory", json.dumps(task)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise MixFormerError(f"{runtime.engine} in a separate process failed: {reason}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _track(task: dict[str, Any]) -> float | None:
    from mixformer.bench.cases import build_engine
    from mixformer.run import track

    engine = build_engine(Path(task["weights"]), Runtime.from_dict(task["runtime"]))
    for _ in track(task["clip"], task["box"], model=engine, stop=_FRAMES):
        pass
    status = Path("/proc/self/status")  # getrusage could report the parent's peak
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), None)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_track(json.loads(sys.argv[1]))) + "\n")
