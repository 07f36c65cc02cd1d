"""Progress bars on the terminal: the frames of one video, or several tasks at once."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from mixformer.evaluation.runs import EvaluationEvent


class _Bars:
    """A progress display for a `with` statement; silent if `quiet` or not on a terminal."""

    def __init__(self, *columns: str | ProgressColumn, quiet: bool, transient: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
        self._bars = Progress(*columns, console=console, transient=transient)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


class FrameBar(_Bars):
    """Frames of a video with frames per second."""

    def __init__(self, total: int | None, quiet: bool) -> None:
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.0f} FPS"),
            TimeRemainingColumn(),
            quiet=quiet,
        )
        self._task = self._bars.add_task("tracking", total=total, fps=0.0)
        self._begin, self._done = time.perf_counter(), 0

    def advance(self) -> None:
        """Count one frame."""
        self._done += 1
        self._bars.update(self._task, advance=1, fps=self._done / (time.perf_counter() - self._begin))


class TaskBars(_Bars):
    """Overall progress, and a line for each active task; a `total` of None comes with the first event."""

    def __init__(self, total: int | None, quiet: bool, what: str = "sequences") -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        super().__init__(*columns, quiet=quiet, transient=True)
        self._all = self._bars.add_task(what, total=total)
        self._open: dict[str, int] = {}

    def listen(self, event: EvaluationEvent) -> None:
        """Show an event."""
        from mixformer.evaluation.runs import RunPlanned
        from mixformer.run.executor import Progressed, Started

        if isinstance(event, RunPlanned):
            self._bars.update(self._all, total=event.sequences)
        elif isinstance(event, Started):
            self._open[event.name] = self._bars.add_task(escape(event.name), total=event.steps or None)
        elif isinstance(event, Progressed):
            self._bars.update(self._open[event.name], completed=event.steps)  # type: ignore[arg-type]
        else:
            if event.name in self._open:
                self._bars.remove_task(self._open.pop(event.name))  # type: ignore[arg-type]
            self._bars.advance(self._all)
