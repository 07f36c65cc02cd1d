"""Progress bars on standard error: the frames of one video, several tasks at once, or the steps of a training run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from mixformer.evaluation.runs import EvaluationEvent
    from mixformer.training.recipe import Recipe


class Bars(Progress):
    """A progress display for a `with` statement; silent if `quiet` or not on a terminal."""

    def __init__(self, *columns: str | ProgressColumn, quiet: bool = False, transient: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
        super().__init__(*columns, console=console, transient=transient)


@contextmanager
def spinner(doing: str) -> Iterator[Callable[[str], None]]:
    """Show what is being worked on, for work of unknown length."""
    text = TextColumn(f"{doing} {{task.description}}", markup=False)
    with Bars(SpinnerColumn(), text, TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=text)


class FrameBar(Bars):
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
        self._frames = self.add_task("tracking", total=total, fps=0.0)
        self._begin, self._done = time.perf_counter(), 0

    def count(self) -> None:
        """Count one frame."""
        self._done += 1
        self.update(self._frames, advance=1, fps=self._done / (time.perf_counter() - self._begin))

    def reach(self, done: int, total: int) -> None:
        """Show that so many of all frames are done."""
        self.update(self._frames, completed=done, total=total, fps=done / (time.perf_counter() - self._begin))


class TaskBars(Bars):
    """Overall progress, and a line for each active task; a `total` of None comes with the first event."""

    def __init__(self, total: int | None, quiet: bool, what: str = "sequences") -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        super().__init__(*columns, quiet=quiet, transient=True)
        self._all = self.add_task(what, total=total)
        self._open: dict[str, TaskID] = {}

    def listen(self, event: EvaluationEvent) -> None:
        """Show an event."""
        from mixformer.evaluation.runs import RunPlanned
        from mixformer.run.executor import Progressed, Started

        if isinstance(event, RunPlanned):
            self.update(self._all, total=event.sequences)
        elif isinstance(event, Started):
            self._open[event.name] = self.add_task(escape(event.name), total=event.steps or None)
        elif isinstance(event, Progressed):
            self.update(self._open[event.name], completed=event.steps)
        else:
            if event.name in self._open:
                self.remove_task(self._open.pop(event.name))
            self.advance(self._all)


def speaks() -> bool:
    """Return whether this process prints; under torchrun, only the first one does."""
    return os.environ.get("RANK", "0") == "0"


class TrainingBar(Bars):
    """The steps of a run with its losses and speed."""

    def __init__(self) -> None:
        columns = TextColumn("step"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}")
        super().__init__(*columns, TimeRemainingColumn(), quiet=not speaks())
        self._run = self.add_task("", total=None)

    def show(self, recipe: Recipe, step: int, means: Mapping[str, float]) -> None:
        """Show a step of a recipe's run."""
        text = _describe(recipe, step, means)
        self.update(self._run, completed=step, total=recipe.total_steps, description=text)

    def restart(self) -> None:
        """Begin the bar of the next run, with its own estimate of the time left."""
        self.reset(self._run, total=None, description="")


def _describe(recipe: Recipe, step: int, means: Mapping[str, float]) -> str:
    """Text beside the bar: epoch, losses, speed of training and of its loader, seconds of a step, memory."""
    words = [f"epoch {(step - 1) // recipe.epoch_steps + 1}/{recipe.epochs}"] if recipe.epochs else []
    words += [f"{name} {means[name]:.3f}" for name in ("loss", "iou", "accuracy") if name in means]
    if means:
        loader = means.get("loader_samples_per_second", 0.0)
        words += [
            f"{means['samples_per_second']:.1f} samples/s (loader {loader:.1f})",
            f"wait {means['waited']:.2f} + step {means['busy']:.2f} s",
            f"{means['memory_mb'] / 1024:.1f} GB",
        ]
    return "  ".join(words)
