"""Signals end a command as Ctrl-C does: it finishes its files first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("SIGTERM", "SIGHUP")  # docker, systemd and kill; the end of the terminal


class Stopped(KeyboardInterrupt):
    """A signal that asks the process to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stops_as_errors() -> Iterator[None]:
    """Turn the first signal that asks for an end into `Stopped`, in the main thread; further ones are ignored.

    A signal that is ignored (`nohup`) stays so, and one that somebody else handles is left to them.
    """
    before = {}
    for name in _NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            try:
                before[number] = signal.signal(number, _stop)
            except ValueError:  # not the main thread
                break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code_of_stop(stop: KeyboardInterrupt) -> int:
    """Return the usual exit code: 128 and the number of the signal."""
    return 128 + getattr(stop, "number", signal.SIGINT)


def _stop(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Stopped(number)
