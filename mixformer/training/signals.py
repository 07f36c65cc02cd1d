"""Stop a run between two steps on a signal, and let only one process write a run folder."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from mixformer.errors import OutputError
from mixformer.files.places import make_folders, remove_folders, require_kind

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOCK = "run.lock"
_MARKS = ("state.safetensors", "recipe.json")  # files that identify a run folder
_BESIDE = (_LOCK, "*.toml", "*.log", "*.out")  # what a person, or a run that was killed, leaves there before a run


@contextmanager
def stop_requests(enabled: bool = True) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C or SIGTERM came, so that training can stop between two steps.

    The second signal has its usual effect, and stops at once. Signals that the caller ignores (`nohup`) stay ignored.
    Without `enabled`, signals stay unchanged, because several processes would stop at different steps; so they do in
    other threads than the main one, which cannot catch them.
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
def only_writer(folder: Path, enabled: bool = True, beside: Iterable[str] = ()) -> Iterator[None]:
    """Lock a run folder against a second run; at the end, remove the lock, and the folder if it is empty.

    Raises OutputError if another process is writing there, or it holds something else than a run. A run is known by its
    checkpoint or recipe; files of the patterns `beside` may be there before.
    """
    if not enabled:
        yield
        return
    lock = FileLock(folder / _LOCK)
    require_kind(folder, _MARKS, "training run", (*_BESIDE, *beside))
    made = make_folders(folder, folder)
    try:
        lock.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, Timeout):
            raise OutputError(f"cannot write to the run folder {folder}: {error}; choose another --out") from error
        raise OutputError(
            f"another process is training into {folder}; wait until it ends or stop it, or choose another --out"
        ) from error
    try:
        yield
    finally:
        if os.name == "posix":  # before the release; Windows can only remove it afterwards
            (folder / _LOCK).unlink(missing_ok=True)
        lock.release()
        remove_folders(made)
