"""A run is stopped between two steps, and only one process writes a run folder."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from mixformer.errors import OutputError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOCK = "run.lock"


@contextmanager
def stop_requests(enabled: bool = True) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C, or the SIGTERM of a batch system, into a question that is asked between steps.

    The second one stops at once, as without this. Signals that the caller has set to be ignored (`nohup`) stay ignored.
    Outside of the main thread, where signals cannot be caught, the answer is always no.

    Args:
        enabled: False leaves signals alone: several processes would stop at different steps.

    Yields:
        A function: has a stop been asked for?
    """
    asked = threading.Event()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        asked.set()
        restore()

    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield asked.is_set
    finally:
        restore()


@contextmanager
def only_writer(folder: Path, enabled: bool = True) -> Iterator[None]:
    """Keep a second run out of a run folder. The lock goes with the process, however that ends.

    Raises OutputError if another process is writing there.
    """
    if not enabled:
        yield
        return
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, Timeout):
            raise OutputError(f"cannot write to the run folder {folder}: {error}; take another --out") from error
        raise OutputError(
            f"another process is training into {folder}; wait until it ends or stop it, or take another --out"
        ) from error
    try:
        yield
    finally:
        if os.name == "posix":  # while it is still ours; Windows lets go of it first
            (folder / _LOCK).unlink(missing_ok=True)
        lock.release()
