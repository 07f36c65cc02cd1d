"""Track the demo clip with one engine: `python -m mixformer.bench.engine_trial ENGINE PRECISION FRAMES`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from mixformer.evaluation.metrics.frame_errors import exact_iou

# Boxes of the included weights in float32, by frame of the demo clip.
KNOWN = {5: (250.8, 24.0, 45.4, 147.2), 10: (244.6, 38.6, 45.4, 134.1)}


@dataclass(frozen=True)
class EngineTrial:
    """Result of tracking the demo clip with one engine."""

    engine: str
    precision: str  # that was used; "auto" if it did not come so far
    error: str = ""  # why it cannot run; "" if it can
    start: float = 0.0  # seconds until the first box
    fps: float = 0.0  # of the frames after it, tracking alone
    boxes: list[Sequence[float]] = field(default_factory=list)  # xywh in pixels of each frame
    late: bool = False  # it was stopped, since it took too long

    @property
    def known(self) -> Mapping[int, Sequence[float]]:
        """Boxes that are known, of the frames that were tracked."""
        return {frame: box for frame, box in KNOWN.items() if frame < len(self.boxes)}

    def least_overlap(self, others: Mapping[int, Sequence[float]]) -> float:
        """Smallest IoU of a box with that of the same frame; 1 without any."""
        frames = [frame for frame in others if frame < len(self.boxes)]
        if not frames:
            return 1.0
        return float(exact_iou(np.array([self.boxes[n] for n in frames]), np.array([others[n] for n in frames])).min())


def run_trial(engine: str, precision: str, frames: int) -> EngineTrial:
    """Track the first frames with an engine, in this process. The result of "auto" names the engine that it took."""
    from mixformer.configs.runtime import Runtime
    from mixformer.configs.variants import DEFAULT_MODEL
    from mixformer.engines import select_engine
    from mixformer.tracking import Tracker
    from mixformer.video import open_video
    from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

    with open_video(DEMO_CLIP, 0, frames) as video:
        images = [frame.image for frame in video]
    begin = time.perf_counter()
    tracker = Tracker(runtime=Runtime(engine=engine, precision=precision))
    tracker.init(images[0], DEMO_BOX)
    boxes = [list(DEMO_BOX), list(tracker.update(images[1]).box)]
    start, begin = time.perf_counter() - begin, time.perf_counter()
    boxes += [list(tracker.update(image).box) for image in islice(images, 2, None)]
    seconds = max(time.perf_counter() - begin, 1e-9)
    used = str(getattr(tracker.engine, "precision", precision))
    chosen = select_engine(DEFAULT_MODEL).engine if engine == "auto" else engine
    return EngineTrial(
        chosen, used, "", start, (len(images) - 2) / seconds, [[round(v, 2) for v in box] for box in boxes]
    )


if __name__ == "__main__":
    print(json.dumps(vars(run_trial(sys.argv[1], sys.argv[2], int(sys.argv[3])))))  # noqa: T201
