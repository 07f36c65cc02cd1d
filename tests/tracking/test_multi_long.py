"""Eight targets for a long time, some coming and going: nothing piles up."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Runtime, create_engine
from mixformer.tracking import MultiTracker


def resident():
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        pytest.skip("measured by /proc/self/statm, which only Linux has")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tensors():
    """How many tensors and arrays there are, and their bytes."""
    import torch

    gc.collect()
    # Only these very types: the exporter's stand-ins for tensors, which other tests leave behind, have no size.
    sizes = [each.nbytes for each in gc.get_objects() if type(each) in (torch.Tensor, np.ndarray)]
    return len(sizes), sum(sizes)


@pytest.mark.parametrize("frames", [80, pytest.param(10_000, marks=pytest.mark.sweep)])
def test_memory_is_flat(tiny_model, frames):
    rules = TrackerConfig(update_interval=10, online_templates=2, score_threshold=0.0)
    tracker = MultiTracker(create_engine(tiny_model, runtime=Runtime(device="cpu", engine="torch", threads=1)), rules)
    texture = np.random.default_rng(0).integers(0, 256, (120, 400, 3), dtype=np.uint8)

    def frame(index):
        start = 120 + int(100 * np.sin(index / 30))
        return np.ascontiguousarray(texture[:, start : start + 160])

    for number in range(8):
        tracker.add(frame(0), (10 + 16 * number, 40, 24, 24))
    updates, seen = 0, []
    for index in range(1, frames + 1):
        updates += sum(result.template_updated for result in tracker.update(frame(index)).values())
        if index % 20 == 0:  # one goes and another comes, in step, so that the counts below are of equal crews
            tracker.remove(tracker.ids[index // 20 % 8])
            tracker.add(frame(index), (70, 50, 30, 24))
        if index in (frames // 2, frames):
            seen.append((*tensors(), resident()))
    assert len(tracker) == 8
    assert updates > frames * 8 // 10 * 0.8
    (count, size, memory), (later_count, later_size, later_memory) = seen
    assert abs(later_count - count) <= 12
    assert abs(later_size - size) < 500_000
    assert later_memory - memory < 8e6
