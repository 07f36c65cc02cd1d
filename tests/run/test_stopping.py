"""A request to end is heard, wherever it arrives."""

import os
import signal
import sys
import threading
import time
import weakref

import pytest

from mixformer.run import Completed, ProcessExecutor, stopping
from mixformer.run.stopping import Stopped, exit_code_of_stop, stops_as_errors


class Thing:
    pass


def signal_in_a_callback(number):
    """Raise a signal where Python prints exceptions and goes on."""
    thing = Thing()
    held = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    return held


def signal_and_wait(number):
    signal_in_a_callback(number)
    for _ in range(1000):
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_in_a_callback_is_not_lost(name, monkeypatch):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip("there is no such signal here")
    monkeypatch.setattr(sys, "unraisablehook", print)  # what pytest has there fails the test
    default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    before = signal.signal(number, default)
    try:
        with pytest.raises(KeyboardInterrupt) as stop, stops_as_errors():
            signal_and_wait(number)
        assert exit_code_of_stop(stop.value) == 128 + number
        assert isinstance(stop.value, Stopped) == (name != "SIGINT")
    finally:
        signal.signal(number, before)
    assert sys.unraisablehook is print


def test_other_lost_exceptions_go_the_usual_way(monkeypatch):
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    threads = set(threading.enumerate())
    with stops_as_errors():
        thing = Thing()
        held = weakref.ref(thing, lambda _: 1 / 0)
        del thing
    assert [type(each.exc_value) for each in heard] == [ZeroDivisionError]
    assert held() is None
    assert set(threading.enumerate()) <= threads


def deaf(number):
    """Work of a process that gets its signal in a callback, and would go on."""

    def work(task, report):
        if task == "stop":
            signal_in_a_callback(signal.SIGTERM)
        for _ in range(3000):
            time.sleep(0.01)
        return task

    return work


@pytest.mark.skipif(sys.platform == "win32", reason="there a worker ends at once")
def test_a_worker_ends_that_was_asked_in_a_callback():
    begin = time.monotonic()
    events = list(ProcessExecutor(1, retries=0).run(deaf, [("a", "stop")]))
    assert time.monotonic() - begin < 20  # it would work for 30
    assert not any(isinstance(event, Completed) for event in events)


def dies_soon_after(number):
    """Work of a process that is killed when it has sent its result."""

    def work(task, report):
        threading.Timer(0.1, os._exit, (1,)).start()
        return task

    return work


def test_a_worker_that_dies_after_its_last_task_ends_nothing():
    """All was done, and the run ended by a BrokenPipeError."""
    found = []
    for event in ProcessExecutor(1).run(dies_soon_after, [("a", 1)]):
        found += [event.result] if isinstance(event, Completed) else []
        time.sleep(1)
    assert found == [1]


def stops_between_steps(number):
    def work(task, report):
        raise KeyboardInterrupt  # as a training does that was asked to end

    return work


def test_a_worker_whose_training_was_stopped_prints_no_traceback(capfd):
    events = list(ProcessExecutor(1, retries=0).run(stops_between_steps, [("a", 1)]))
    assert not any(isinstance(event, Completed) for event in events)
    assert "Traceback" not in capfd.readouterr().err


def test_a_second_request_soon_after_the_first_is_ignored():
    """Ctrl-C and SIGTERM at once, or Ctrl-C twice, interrupted the writing of the last frames."""
    if not hasattr(signal, "SIGTERM") or sys.platform == "win32":
        pytest.skip("signals cannot be raised here")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stops_as_errors():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
                signal.raise_signal(number)
            stopping._heard[:] = [time.monotonic() - 60]
            with pytest.raises(KeyboardInterrupt):  # somebody insists
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
