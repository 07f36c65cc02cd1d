"""A run is stopped between two steps, and only one process writes a run folder."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from mixformer.errors import OutputError
from mixformer.files.places import make_folder

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOCK = "run.lock"
_MARKS = ("state.safetensors", "recipe.json")  # by which a run folder is known
_WRITTEN = ("log.jsonl", "environment.json", "best", "model", "tensorboard")


@contextmanager
def stop_requests(enabled: bool = True) -> Iterator[Callable[[], bool]]:
    """Note the first Ctrl-C or SIGTERM, so that the training loop can stop between two steps.

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
    """Keep a second run out of a run folder. The lock goes with the process, and so does a folder that stayed empty.

    Raises OutputError if another process is writing there, or the folder holds what a run would replace, but no run.
    """
    if not enabled:
        yield
        return
    lock = FileLock(folder / _LOCK)
    _require_run_folder(folder)
    made = make_folder(folder, folder)
    try:
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
        with suppress(OSError):
            for path in reversed(made):
                path.rmdir()


def _require_run_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, and a run needs a folder; take another --out")
    found = [name for name in _WRITTEN if (folder / name).exists()]
    if found and not any((folder / name).exists() for name in _MARKS):
        raise OutputError(f"{folder} holds {', '.join(found)}, but no training run; take another --out")
