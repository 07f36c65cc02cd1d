"""Do tasks in worker processes of this machine."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import current_process, get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any

from mixformer.errors import ConfigError, MixFormerError
from mixformer.run.executor import Event, Events, Failed, Maker, Progressed, Report, Tasks, attempt, began
from mixformer.run.stopping import exit_code_of_stop, repeats_lost_stops, stop_once

_REPORT_EVERY = 0.2  # seconds between two reports of a worker
_PATIENCE = 20.0  # seconds that a worker has to finish its files
_PATIENCE_OF_ORPHANS = 5.0  # the same if its parent has died


class ProcessExecutor:
    """Do the tasks in worker processes of this machine. They are started by `spawn`, so that CUDA works in them.

    Example:
        >>> from mixformer.run import Completed, ProcessExecutor
        >>> events = ProcessExecutor(workers=2).run(print, [])  # no tasks, so no process is started
        >>> list(events)
        []
    """

    def __init__(self, workers: int = 1, retries: int = 1) -> None:
        """Choose the number of processes. `run` starts them.

        Args:
            workers: number of processes, 1 or more.
            retries: number of times that a task is repeated after its worker died (killed, out of memory, crashed). A
                task that raises an exception is not repeated.

        Raises:
            ConfigError: for numbers out of range.
        """
        if workers < 1 or retries < 0:
            raise ConfigError(f"workers must be 1 or more and retries 0 or more, not {workers} and {retries}")
        self.workers, self.retries = workers, retries

    def run(self, make: Maker, tasks: Tasks) -> Events:
        """See `Executor.run`."""
        waiting = _Waiting(tasks, self.retries)
        pool: dict[Connection, _Process] = {}
        try:
            for number in range(self.workers):
                if not waiting.more():
                    break
                _start(pool, make, number)
            while pool:
                for pipe in wait(list(pool)):
                    yield from _listen(pool, pipe, make, waiting)  # type: ignore[arg-type]
        finally:
            for process in pool.values():
                process.process.terminate()  # all first, so that they finish their files at the same time
            for process in pool.values():
                process.stop()


class _Waiting:
    """The tasks that no worker has; those to repeat come first."""

    def __init__(self, tasks: Tasks, retries: int) -> None:
        self._tasks, self._retries = iter(tasks), retries
        self._again: list[tuple[str, Any]] = []
        self._deaths: dict[str, int] = {}

    def more(self) -> bool:
        """Tell whether there is a task."""
        if not self._again and (task := next(self._tasks, None)) is not None:
            self._again.append(task)
        return bool(self._again)

    def take(self) -> tuple[str, Any] | None:
        """Return the next task, or None if there is none."""
        return self._again.pop(0) if self.more() else None

    def died(self, name: str, task: Any) -> bool:
        """Put back the task of a dead worker; return False if that happened too often."""
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] > self._retries:
            return False
        self._again.append((name, task))
        return True


@dataclass
class _Process:
    """The parent's record of a worker process."""

    number: int
    process: BaseProcess
    pipe: Connection
    task: tuple[str, Any] | None = None
    ready: bool = False

    def end(self) -> None:
        """Wait until a process without tasks has ended by itself; end it if that takes too long."""
        self.process.join(_PATIENCE)
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _start(pool: dict[Connection, _Process], make: Maker, number: int) -> None:
    """Start a worker, which will send a message when it is ready."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(_Packed(make), number, theirs), daemon=True)
    try:
        with _without_interrupts():
            process.start()
    except (AttributeError, TypeError, PicklingError) as error:
        raise ConfigError(
            f"the tracker cannot be sent to another process ({error}); make it in a function or class at the top level "
            "of a module, or use 0 workers"
        ) from error
    theirs.close()  # so that the pipe breaks when the worker ends
    pool[ours] = _Process(number, process, ours)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Delay Ctrl-C while a process is started. The new process never gets it; this one gets it afterwards."""
    if os.name == "nt":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(pool: dict[Connection, _Process], pipe: Connection, make: Maker, waiting: _Waiting) -> Iterator[Event]:
    """Take one message of a worker, and give it the next task if it is free."""
    # 1. A broken pipe means that the worker was killed. Its task is repeated.
    worker = pool[pipe]
    try:
        message = pipe.recv()
    except (EOFError, ConnectionError):
        yield from _bury(pool, worker, make, waiting)
        return
    if isinstance(message, _Unfit):
        raise MixFormerError(f"a worker could not be made: {message.reason}")
    if isinstance(message, Progressed):
        yield message
        return
    # 2. Any other message ends a task (None: the worker has just started), so the worker is free.
    worker.ready, worker.task = True, None
    if message is not None:
        yield message
    # 3. Give it the next task. Without one it ends now, to free its memory for the others.
    worker.task = waiting.take()
    with suppress(BrokenPipeError):  # if it has just died, the next read of its pipe fails
        pipe.send(worker.task)
    if worker.task is not None:
        yield began(*worker.task)
        return
    del pool[pipe]
    worker.end()


def _bury(pool: dict[Connection, _Process], worker: _Process, make: Maker, waiting: _Waiting) -> Iterator[Event]:
    """Replace a dead worker, and try its task again."""
    del pool[worker.pipe]
    worker.stop()
    code = worker.process.exitcode
    reason = f"the worker process died with exit code {code}"
    if code is not None and code < 0:
        reason = f"the worker process was killed by {signal.Signals(-code).name} (out of memory?)"
    if not worker.ready:
        raise MixFormerError(f"a worker could not be made: {reason}")
    if worker.task and not waiting.died(*worker.task):
        yield Failed(worker.task[0], reason)
    if waiting.more():
        _start(pool, make, worker.number)


@dataclass(frozen=True)
class _Unfit:
    """The message of a worker that could not start."""

    reason: str


@dataclass(frozen=True)
class _Packed:
    """Something for a new process, which gets bytes: what these need is imported when the process can be stopped."""

    content: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return bytes, (bytes(ForkingPickler.dumps(self.content)),)


def _serve(packed: bytes, number: int, pipe: Connection) -> None:
    """Run a worker process: make the worker, then do tasks until the parent sends the end or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, but the parent stops the workers
    signal.signal(signal.SIGTERM, stop_once)  # ends by an exception, so that files are finished
    current_process().daemon = False  # daemons may have no children, and a training has loader processes
    threading.Thread(target=_watch_parent, name="watch parent", daemon=True).start()
    try:
        with repeats_lost_stops(), suppress(EOFError, ConnectionError):  # the parent has gone
            _work(packed, number, pipe)
    except KeyboardInterrupt as stop:  # `Stopped`, or that of a training, which ends between two steps
        sys.exit(exit_code_of_stop(stop))


def _work(packed: bytes, number: int, pipe: Connection) -> None:
    try:
        make: Maker = pickle.loads(packed)
        work = make(number)
    except Exception as error:  # the parent must know every error
        pipe.send(_Unfit(str(error) if isinstance(error, MixFormerError) else traceback.format_exc()))
        return
    pipe.send(None)
    while (given := pipe.recv()) is not None:
        name, task = given
        pipe.send(attempt(work, name, task, _reporter(pipe, name)))


def _watch_parent() -> None:
    """End this process by SIGTERM when its parent dies; by force if that takes too long."""
    if (parent := parent_process()) is None:
        return
    wait([parent.sentinel])
    if os.name != "nt":  # on Windows, the signal would end the process immediately
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE_OF_ORPHANS)
    os._exit(128 + signal.SIGTERM)


def _reporter(pipe: Connection, name: str) -> Report:
    """Return a function that sends the number of finished steps, not too often."""
    last = time.monotonic()

    def report(steps: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _REPORT_EVERY:
            last = time.monotonic()
            pipe.send(Progressed(name, steps))

    return report
