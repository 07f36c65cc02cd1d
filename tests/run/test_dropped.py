"""Iterators that are dropped close what they hold (C13)."""

import gc
import os
import threading
import time

import pytest

from mixformer import Tracker, create_engine, open_video, track
from tests.helpers.clips import moving_square, write_clip

LINUX = os.path.isdir("/proc/self/fd")


def held():
    """Files and threads of this process."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def settled(before):
    """Wait until as much is held as before, for threads take a moment to end."""
    for _ in range(100):
        if all(now <= then for now, then in zip(held(), before, strict=True)):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", moving_square()[0])


@pytest.fixture(scope="module")
def engine():
    engine = create_engine("mixformerv2_dino_s8")
    Tracker(engine).init(moving_square()[0][0], (10, 10, 30, 30))  # compiled
    return engine


@pytest.mark.skipif(not LINUX, reason="counts files in /proc")
def test_c13_sixty_videos_begun_and_dropped_leave_nothing(clip, engine):
    """C13: 60 calls of `track` that were begun and not finished held 64 files and 360 threads."""
    before = held()
    for number in range(60):
        results = track(clip, (10, 10, 30, 30), model=engine)
        next(results)
        if number % 20 == 0:
            assert held()[1] <= before[1] + 3
    del results
    assert settled(before)


@pytest.mark.skipif(not LINUX, reason="counts files in /proc")
def test_c13_sources_dropped_without_close_leave_nothing(clip):
    before = held()
    for _ in range(20):
        next(iter(open_video(clip)))
    assert settled(before)


def test_c13_a_dropped_iterator_closes_the_frames_it_was_given(engine):
    closed = []

    def frames():
        try:
            yield from moving_square()[0]
        finally:
            closed.append(True)

    results = track(frames(), (10, 10, 30, 30), model=engine)
    next(results)
    del results
    gc.collect()
    assert closed
