"""Guards for objects that several threads call, and that must not hang after a fork.

A fork copies the memory of a process but only one of its threads. A runtime whose threads are gone waits for them for
ever, so it must not be used in the copy once it has worked in the original.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from mixformer.errors import StateError

_worked: set[str] = set()  # runtimes that have worked in this process
_worked_before: set[str] = set()  # those that had worked in the process that this one was forked from


def _forked() -> None:
    _worked_before.update(_worked)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def require_own_process(runtime: str) -> None:
    """Note that a runtime is used in this process; refuse it if it was used before the process was forked.

    Args:
        runtime: name for messages, "OpenVINO" or "PyTorch".

    Raises:
        StateError: if the runtime worked in the process that this one was forked from: it would wait for ever.
    """
    if runtime in _worked_before:
        raise StateError(
            f"{runtime} has run in the process that this one was forked from, and would wait here for ever; start "
            'processes by "spawn": multiprocessing.get_context("spawn"), or ProcessPoolExecutor(mp_context=...) with it'
        )
    _worked.add(runtime)


class Home:
    """The process that an object was made in. A pickled copy is at home where it is read."""

    def __init__(self, runtime: str) -> None:
        """Note the process; errors as `require_own_process`."""
        require_own_process(runtime)
        self._runtime, self._process = runtime, os.getpid()

    def check(self) -> None:
        """Refuse to work in a fork.

        Raises:
            StateError: if this is another process than the one the object was made in.
        """
        if os.getpid() != self._process:
            raise StateError(
                f"this model was loaded in the process that this one was forked from, and {self._runtime} cannot go on "
                'here; load it in each process, and start processes by "spawn": multiprocessing.get_context("spawn")'
            )

    def __reduce__(self) -> Any:
        return Home, (self._runtime,)

    def __deepcopy__(self, memo: Any) -> Home:
        return self


class Turns:
    """A lock by which threads take turns with one object. Copies, pickles and forks begin with a free lock."""

    def __init__(self) -> None:
        self._lock, self._process = threading.RLock(), os.getpid()

    def __enter__(self) -> None:
        if os.getpid() != self._process:  # a thread that is not in this process may hold it
            self._lock, self._process = threading.RLock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self) -> Any:
        return Turns, ()
