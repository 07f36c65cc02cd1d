"""Stages in threads: order, errors, early ends; never a thread left behind, never a deadlock."""

import threading
import time
from contextlib import closing

import pytest

from mixformer.video.pipeline import pipelined


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def numbers(count, closed=None, until=None):
    try:
        for number in range(count):
            if number == until:
                raise OSError("the source broke")
            yield number
    finally:
        if closed is not None:
            closed.append(threading.current_thread().name)


@pytest.mark.parametrize("threads", [True, False])
def test_all_items_in_order(threads):
    def slow_at_times(number):
        time.sleep(0.002 * (number % 3))
        return number * 2

    stages = (slow_at_times, lambda n: n + 1)
    assert list(pipelined(numbers(40), *stages, ahead=2, threads=threads)) == [2 * n + 1 for n in range(40)]
    assert list(pipelined([], str, threads=threads)) == []
    assert list(pipelined(range(3), threads=threads)) == [0, 1, 2]


@pytest.mark.parametrize("threads", [True, False])
def test_errors_of_the_source_and_of_every_stage_come_after_the_items_before(threads):
    def breaks_at(wanted):
        def stage(number):
            if number == wanted:
                raise ValueError(f"cannot do {number}")
            return number

        return stage

    seen = []
    with pytest.raises(OSError, match="the source broke"):
        seen.extend(pipelined(numbers(9, until=5), breaks_at(99), threads=threads))
    for stages in ((breaks_at(5), breaks_at(7)), (breaks_at(7), breaks_at(5))):
        seen, closed = [], []
        with pytest.raises(ValueError, match="cannot do 5"):
            seen.extend(pipelined(numbers(10_000, closed), *stages, threads=threads))
        assert seen == [0, 1, 2, 3, 4]
        assert closed == (["items"] if threads else ["MainThread"])


@pytest.mark.parametrize("ahead", [1, 4])
def test_a_consumer_may_stop_early(ahead):
    closed, done = [], []

    def stage(number):
        done.append(number)
        return number

    with closing(pipelined(numbers(10_000, closed), stage, stage, ahead=ahead)) as results:
        assert next(results) == 0
    assert closed == ["items"]
    assert len(done) < 10 + 4 * ahead  # bounded: the source does not run away
    stopped = len(done)
    time.sleep(0.05)
    assert len(done) == stopped


def test_a_slow_consumer_holds_the_source_back():
    made = []

    def source():
        for number in range(100):
            made.append(number)
            yield number

    with closing(pipelined(source(), lambda n: n, ahead=2)) as results:
        next(results)
        time.sleep(0.2)
        assert len(made) <= 1 + 2 + 2 + 2 + 1  # given, in two queues, in the hands of two threads


def test_ctrl_c_in_the_caller_stops_everything():
    closed = []

    def interrupted():
        with closing(pipelined(numbers(10_000, closed), lambda n: n)) as results:
            for number in results:
                if number == 3:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert closed == ["items"]


def test_every_stage_has_its_own_thread():
    names = [set(), set()]

    def note(which):
        def stage(number):
            names[which].add(threading.current_thread().name)
            time.sleep(0.001)
            return number

        return stage

    begin = list(pipelined(range(20), note(0), note(1)))
    assert begin == list(range(20))
    assert names == [{"stage 1"}, {"stage 2"}]
