"""Stop a run between two steps on a signal, and let only one process write a run folder."""

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
from mixformer.files.places import make_folder, require_name

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOCK = "run.lock"
_MARKS = ("state.safetensors", "recipe.json")  # files that identify a run folder
_WRITTEN = ("log.jsonl", "environment.json", "best", "model", "tensorboard", "wandb", "mlruns")


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
def only_writer(folder: Path, enabled: bool = True) -> Iterator[None]:
    """Lock a run folder against a second run; at the end, remove the lock, and the folder if it is empty.

    Raises OutputError if another process is writing there, or it holds files that a run would replace, but no run.
    """
    if not enabled:
        yield
        return
    require_name(folder)
    lock = FileLock(folder / _LOCK)
    _require_run_folder(folder)
    made = make_folder(folder, folder)
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
        with suppress(OSError):
            for path in reversed(made):
                path.rmdir()


def _require_run_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, but a run needs a folder; choose another --out")
    found = [name for name in _WRITTEN if (folder / name).exists()]
    if found and not any((folder / name).exists() for name in _MARKS):
        raise OutputError(f"{folder} holds {', '.join(found)}, but no training run; choose another --out")
