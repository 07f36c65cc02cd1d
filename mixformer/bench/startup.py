"""From nothing to the first box, and the memory it takes: measured in a process of its own.

`python -m mixformer.bench.startup '{"weights": ...}'` is that process; it writes one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mixformer.configs.base_config import BaseConfig
from mixformer.configs.runtime import Runtime
from mixformer.errors import MixFormerError

_PACKAGES = {"plain": "torch", "torch": "torch", "cudagraph": "torch", "compile": "torch"} | {
    "openvino": "openvino",
    "onnx": "onnxruntime",
}
_FRAMES = 5  # tracked before memory is read


class StartError(MixFormerError, RuntimeError):
    """The process that was to be timed failed."""


@dataclass(frozen=True)
class Startup(BaseConfig):
    """Seconds from starting the process to the first tracked box, in the order in which they pass, and memory.

    Attributes:
        interpreter: Python itself and the first module of this package.
        imports: the engine's package, the tracker and the video reader.
        load: reading the weights, building or compiling the network.
        first_frame: opening the clip, its first two frames, encoding the template and finding the box.
        total: all of it.
        memory_mb: largest resident memory, MiB, after a few frames; None where the system does not tell.
        gpu_memory_mb: largest memory that PyTorch took on a GPU, MiB, or None.
    """

    interpreter: float
    imports: float
    load: float
    first_frame: float
    total: float
    memory_mb: float | None
    gpu_memory_mb: float | None


def measure_startup(weights: Path, runtime: Runtime, clip: Path, box: Sequence[float]) -> Startup:
    """Time one start; the first one after a long while also reads files that later ones find in memory.

    Args:
        weights: model folder or file.
        runtime: as in `create_engine`, or the engine "plain".
        clip: video.
        box: x, y, width, height of the target in its first frame.

    Raises:
        StartError: if the process fails; the message is its last line.
    """
    task: dict[str, Any] = {"weights": str(weights), "runtime": runtime.to_dict(), "clip": str(clip), "box": list(box)}
    task["begin"] = time.time()
    words = [sys.executable, "-m", "mixformer.bench.startup", json.dumps(task)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise StartError(f"starting {runtime.engine} in a process of its own failed: {reason}")
    return Startup.from_dict(json.loads(done.stdout.splitlines()[-1]))


def start(task: dict[str, Any], entered: float) -> Startup:
    """Do what is to be timed, in this process.

    Args:
        task: what `measure_startup` writes.
        entered: time (of `time.time`) when this module was there.
    """
    runtime = Runtime(**task["runtime"])
    if runtime.engine in _PACKAGES:
        import_module(_PACKAGES[runtime.engine])
    from mixformer.bench.candidates import build_engine
    from mixformer.tracking import Tracker
    from mixformer.video.reader import open_video

    imported = time.time()
    tracker = Tracker(build_engine(Path(task["weights"]), runtime))
    loaded = found = time.time()
    with open_video(task["clip"]) as video:
        for index, frame in enumerate(video):
            if index == 0:
                tracker.init(frame.image, task["box"])
                continue
            tracker.update(frame.image)
            if index == 1:
                found = time.time()
            if index == _FRAMES:
                break
    parts = (entered - task["begin"], imported - entered, loaded - imported, found - loaded)
    return Startup(*parts, found - task["begin"], _peak_memory(), _gpu_memory(runtime.device))


def _peak_memory() -> float | None:
    status = Path("/proc/self/status")
    if not status.is_file():
        return None  # getrusage would tell the parent's peak if that was larger
    (kibibytes,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) / 2**10


def _gpu_memory(device: str) -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not (device == "auto" or device.startswith("cuda")):
        return None
    return float(torch.cuda.max_memory_allocated()) / 2**20


if __name__ == "__main__":
    sys.stdout.write(json.dumps(start(json.loads(sys.argv[1]), time.time()).to_dict()) + "\n")
