"""Let signals end a command, or a worker of one, as Ctrl-C does: it finishes its files first.

A handler that raises may interrupt a callback, such as one of a weak reference. Python prints the exceptions of
callbacks and continues, so the request to end would be lost. This module repeats it until it works.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

_NAMES = ("SIGTERM", "SIGHUP")  # sent by docker, systemd and kill; sent when the terminal ends
_SAME = 2.0  # seconds in which a second request means the first: an impatient person, or both a terminal and a parent
_SOON = 0.05  # seconds until a lost request is repeated, so that the callback has ended


class Stopped(KeyboardInterrupt):
    """A signal, by its number, that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stops_as_errors() -> Iterator[None]:
    """Turn the first request to end into `Stopped`, in the main thread, and ignore further ones.

    A second Ctrl-C is heard only after some seconds, in which files are finished. A signal that is ignored (`nohup`) or
    has another handler is not changed.
    """
    before: dict[int, Any] = {}
    _heard.clear()
    for name in ("SIGINT", *_NAMES):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            try:
                before[number] = signal.signal(number, _interrupt if name == "SIGINT" else stop_once)
            except ValueError:  # not the main thread
                break
    try:
        with repeats_lost_stops():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def repeats_lost_stops() -> Iterator[None]:
    """Repeat a request to end if its exception was raised in a callback, since Python only prints it there."""
    before = sys.unraisablehook

    def hook(lost: Any) -> None:
        stop = lost.exc_value
        if not isinstance(stop, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
            before(lost)
            return
        number = _number(stop)
        _heard.clear()
        if isinstance(stop, Stopped):  # its handler ignores the next one
            signal.signal(number, stop_once)
        again = threading.Timer(_SOON, partial(_thread.interrupt_main, signal.Signals(number)))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def stop_once(number: int, frame: object) -> None:
    """Raise `Stopped`, and ignore this signal from now on: a handler for `signal.signal`."""
    signal.signal(number, signal.SIG_IGN)
    if not _is_repeated():
        raise Stopped(number)


def _interrupt(number: int, frame: object) -> None:
    if not _is_repeated():
        raise KeyboardInterrupt


_heard: list[float] = []  # when the last request came that counted


def _is_repeated() -> bool:
    """Tell whether a request to end comes so soon after another that it means the same."""
    now = time.monotonic()
    if _heard and now - _heard[-1] < _SAME:
        return True
    _heard.append(now)
    return False


def exit_code_of_stop(stop: KeyboardInterrupt) -> int:
    """Return the usual exit code: 128 and the number of the signal."""
    return 128 + _number(stop)


def _number(stop: KeyboardInterrupt) -> int:
    return stop.number if isinstance(stop, Stopped) else signal.SIGINT
