"""Guards for objects that several threads call, and that must not hang after a fork.

A fork copies the memory of a process but only one of its threads. A runtime would wait for ever for the missing
threads, so a runtime that was used before a fork must not be used in the copy.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from mixformer.errors import StateError

_worked: set[str] = set()  # runtimes used in this process
_worked_before: set[str] = set()  # runtimes used in the process that this one was forked from

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _worked_before.update(_worked))


def require_own_process(runtime: str) -> None:
    """Record that a runtime is used in this process; raises StateError in a fork of one that used it: it would hang."""
    if runtime in _worked_before:
        raise StateError(
            f"{runtime} was used in the process that this one was forked from, and would hang here; start "
            'processes by "spawn": multiprocessing.get_context("spawn"), or ProcessPoolExecutor(mp_context=...) with it'
        )
    _worked.add(runtime)


class Home:
    """The process that made an object. The home of a pickled copy is the process that reads it."""

    def __init__(self, runtime: str) -> None:
        """Record the process. Raises StateError as `require_own_process` does."""
        require_own_process(runtime)
        self._runtime, self._process = runtime, os.getpid()

    def check(self) -> None:
        """Check that this process made the object; raises StateError if another one did."""
        if os.getpid() != self._process:
            raise StateError(
                f"this model was loaded in the process that this one was forked from, so {self._runtime} cannot run it "
                'here; load it in each process, and start processes by "spawn": multiprocessing.get_context("spawn")'
            )

    def __reduce__(self) -> Any:
        return Home, (self._runtime,)

    def __deepcopy__(self, memo: Any) -> Home:
        return self


class Turns:
    """A lock that lets threads take turns with one object. Copies, pickles and forks start with a free lock."""

    def __init__(self) -> None:
        self._lock, self._process = threading.RLock(), os.getpid()

    def __enter__(self) -> None:
        if os.getpid() != self._process:  # a thread of the other process may hold the lock
            self._lock, self._process = threading.RLock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self) -> Any:
        return Turns, ()
