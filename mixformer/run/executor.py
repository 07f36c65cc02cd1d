"""Do many tasks with workers that each load something large once.

A *maker* makes worker number n. A worker is a function `work(task, report) -> result`, where `report(steps)` reports
progress. `SerialExecutor` works in this process, `ProcessExecutor` in processes of this machine, and `RayExecutor` on a
Ray cluster.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterable, Sized
from dataclasses import dataclass
from typing import Any, Protocol

from mixformer.errors import MixFormerError

Report = Callable[[int], None]
Work = Callable[[Any, Report], Any]
Maker = Callable[[int], Work]
Tasks = Iterable[tuple[str, Any]]
"""Name and content of each task, taken one at a time."""


@dataclass(frozen=True)
class Started:
    """A worker has taken the task, which has so many steps (0 if unknown).

    Example:
        >>> from mixformer.run import Started
        >>> Started("park", steps=50)
        Started(name='park', steps=50)
    """

    name: str
    steps: int = 0


@dataclass(frozen=True)
class Progressed:
    """The task has done this many of its steps.

    Example:
        >>> from mixformer.run import Progressed
        >>> Progressed("park", steps=7)
        Progressed(name='park', steps=7)
    """

    name: str
    steps: int


@dataclass(frozen=True)
class Completed:
    """The task is done.

    Example:
        >>> from mixformer.run import Completed
        >>> Completed("park", result=0.9)
        Completed(name='park', result=0.9)
    """

    name: str
    result: Any


@dataclass(frozen=True)
class Failed:
    """The task raised an error, or its worker died too often. The other tasks continue.

    Attributes:
        name: name of the task.
        message: description of the error in a line.
        trace: the whole traceback, or "" if the worker died.
        kind: name of the class of the exception, or "" if the worker died.

    Example:
        >>> from mixformer.run import Failed
        >>> Failed("park", "the video is damaged").message
        'the video is damaged'
    """

    name: str
    message: str
    trace: str = ""
    kind: str = ""


Event = Started | Progressed | Completed | Failed
Events = Generator[Event, None, None]


class Executor(Protocol):
    """A way to do tasks.

    Example:
        >>> from mixformer.run import Executor, SerialExecutor
        >>> def count(executor: Executor) -> int:
        ...     return len(list(executor.run(lambda number: lambda task, report: task, [("a", 1)])))
        >>> count(SerialExecutor())  # started and completed
        2
    """

    def run(self, make: Maker, tasks: Tasks) -> Events:
        """Do all tasks, in any order; each ends in `Completed` or `Failed`. Closing the iterator stops the workers.

        Raises:
            MixFormerError: if no worker can be made.
        """
        ...


def began(name: str, task: Any) -> Started:
    """Make the event for the beginning of a task, with its number of steps if known."""
    return Started(name, len(task) if isinstance(task, Sized) else 0)


def attempt(work: Work, name: str, task: Any, report: Report) -> Completed | Failed:
    """Do one task, and turn an exception into `Failed`."""
    try:
        return Completed(name, work(task, report))
    except Exception as error:  # a tracker may raise any error, but the other tasks must continue
        return failed(name, error)


def failed(name: str, error: Exception) -> Failed:
    """Describe the exception that ended a task."""
    # The messages of this package's errors need no class name.
    message = str(error) if isinstance(error, MixFormerError) else f"{type(error).__name__}: {error}"
    return Failed(name, message, "".join(traceback.format_exception(error)), type(error).__name__)


class SerialExecutor:
    """Do the tasks one after the other in this process, for trackers that cannot be sent to another.

    Example:
        >>> from mixformer.run import Completed, SerialExecutor
        >>> def make(number):
        ...     return lambda task, report: 2 * task
        >>> events = SerialExecutor().run(make, [("a", 1), ("b", 2)])
        >>> [(event.name, event.result) for event in events if isinstance(event, Completed)]
        [('a', 2), ('b', 4)]
    """

    def run(self, make: Maker, tasks: Tasks) -> Events:
        """See `Executor.run`; steps are not reported."""
        work = make(0)
        for name, task in tasks:
            yield began(name, task)
            yield attempt(work, name, task, lambda steps: None)
