"""Two thousand frames: memory stays flat, templates keep changing."""

import gc
import tracemalloc

import numpy as np
import pytest

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Runtime, create_engine
from mixformer.tracking import Tracker


@pytest.mark.parametrize("templates", [3, 5])
def test_memory_is_flat_over_a_long_video(tiny_model, templates):
    rules = TrackerConfig(update_interval=10, online_templates=templates, score_threshold=0.0)
    tracker = Tracker(create_engine(tiny_model, runtime=Runtime(device="cpu")), rules)
    texture = np.random.default_rng(0).integers(0, 256, (120, 400, 3), dtype=np.uint8)

    def frame(index):
        start = 120 + int(100 * np.sin(index / 30))
        return np.ascontiguousarray(texture[:, start : start + 160])

    tracker.init(frame(0), (70, 50, 30, 24))
    updates, sizes = 0, []
    tracemalloc.start()
    try:
        for index in range(1, 2001):
            updates += tracker.update(frame(index)).template_updated
            if index in (500, 2000):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert updates == 200
    assert len(tracker.state.templates) == 1 + templates
    assert tracker.state.frame_index == 2000
    memory = tracker.state.memory.blocks[0].keys
    assert memory.shape[2] == (1 + templates) * 4  # tensors do not pile up either
    assert sizes[1] - sizes[0] < 200_000
