"""Run one tracker on many sequences: skip finished ones, record failures, and write each result when it is done."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.errors import ConfigError, DataError, MixFormerError
from mixformer.evaluation.manifest import RunManifest
from mixformer.evaluation.result_files import RawResult, read_result, result_paths, write_result
from mixformer.evaluation.sequence_runner import TrackerLike, run_tracker
from mixformer.files import first_twice
from mixformer.files.partial_names import is_folder_name
from mixformer.run.executor import Completed, Event, Executor, Failed, Work

log = logging.getLogger(__name__)

TrackerMaker = Callable[[int], TrackerLike]
"""Makes the tracker of worker number i. It is sent to the workers, so it must be picklable."""


@dataclass(frozen=True)
class EvaluationRun:
    """The description of a run: a tracker, a data set, and a folder for the results.

    Attributes:
        tracker: name of the tracker, and of its folder.
        dataset: name of the data set, and of the folder in it.
        sequences: sequences of the data set, read one at a time.
        make: makes the tracker of each worker.
        out: folder of all results; those of this run go to `out/tracker/dataset`.
        settings: plain values that decide the results, such as the model and its settings. A run resumes results
            only if they were made with the same settings.
        notes: plain values that do not decide the results, such as the device; written beside the settings.
        truncate: write whole pixels, cut off as the official code does.
        split: split of the data set; `run.json` lists the sequences of each split.
        only: names of the sequences to track; () tracks all.
        resume: keep complete results in the folder. False tracks all sequences, and deletes earlier results before the
            first new one is written.
        overwrite: do the same if the results in the folder were made with other settings. By default, they are an
            error.

    Raises ConfigError if a name cannot be the name of a folder.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.evaluation import EvaluationRun
        >>> run = EvaluationRun("ours", "squares", [], make=lambda number: None, out=Path("results"))
        >>> run.folder.as_posix()
        'results/ours/squares'
    """

    tracker: str
    dataset: str
    sequences: Sequence[VideoSequence]
    make: TrackerMaker
    out: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    truncate: bool = False
    split: str = ""
    only: tuple[str, ...] = ()
    resume: bool = True
    overwrite: bool = False

    def __post_init__(self) -> None:
        for what, name in (("tracker", self.tracker), ("data set", self.dataset)):
            if not is_folder_name(name):
                raise ConfigError(f"the {what} cannot be called {name!r}: its name becomes a folder; choose another")

    @property
    def folder(self) -> Path:
        """The folder of this run's results."""
        return self.out / self.tracker / self.dataset


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of a run."""

    folder: Path  # folder of the results
    done: tuple[str, ...]  # sequences tracked in this run
    kept: tuple[str, ...]  # sequences that were already complete
    failed: Mapping[str, str]  # message of each sequence that failed


@dataclass(frozen=True)
class RunPlanned:
    """The first event of a run: the name of the data set, and the number of sequences to track."""

    name: str
    sequences: int


@dataclass(frozen=True)
class SequenceSkipped:
    """The event of a sequence that already has a complete result."""

    name: str


EvaluationEvent = RunPlanned | SequenceSkipped | Event


def run_evaluation(
    run: EvaluationRun, executor: Executor, progress: Callable[[EvaluationEvent], None] | None = None
) -> RunOutcome:
    """Track all sequences that have no complete result yet.

    This process writes each result, all or none of its files, when its sequence is done. Existing files stay unchanged
    until the first result. `run.json` records the settings and the failures. A failed sequence does not stop the
    others; its traceback is in `failures/NAME.txt`. Results do not depend on the number of workers.

    Args:
        run: what to run.
        executor: runs the sequences, see `mixformer.run`.
        progress: called with every event, after results are written.

    Raises:
        ConfigError: if the folder holds results made with other settings, two sequences have the same name, or a
            wanted sequence does not exist.
        OutputError: if a result cannot be written; earlier results are kept.
        MixFormerError: if no worker can be made.

    Example:
        >>> from pathlib import Path
        >>> from mixformer.evaluation import EvaluationRun, run_evaluation
        >>> from mixformer.run.executor import SerialExecutor
        >>> run = EvaluationRun("ours", "nothing", [], make=lambda number: None, out=Path("results"))
        >>> run_evaluation(run, SerialExecutor()).done
        ()
    """
    names = sequence_names(run.sequences)
    if missing := [name for name in run.only if name not in names]:
        some = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        raise ConfigError(f"there is no sequence {', '.join(missing)}; choose from these {len(names)}: {some}")
    settings = {**run.settings, "truncate": run.truncate}
    manifest = RunManifest.open(
        run.folder, settings, run.notes, {run.split: names}, resume=run.resume, overwrite=run.overwrite
    )
    active = _ActiveRun(run, manifest, progress or (lambda event: None))
    try:
        with closing(executor.run(partial(_sequence_work, run.make), active.tasks(names))) as events:
            for event in events:
                active.take(event)
        manifest.end()
    finally:
        manifest.save()
    return RunOutcome(run.folder, tuple(active.done), tuple(active.kept), active.failed)


def sequence_names(sequences: Sequence[VideoSequence]) -> list[str]:
    """Names of the sequences, without reading the annotations of a lazy data set; two equal ones raise ConfigError."""
    names = list(sequences.names if isinstance(sequences, LazySequences) else [each.name for each in sequences])
    if (twice := first_twice(names)) is not None:
        raise ConfigError(f"two sequences are called {twice!r}; give them different names")
    return names


class _ActiveRun:
    """Hands out the sequences of a run and takes their results."""

    def __init__(self, run: EvaluationRun, manifest: RunManifest, progress: Callable[[EvaluationEvent], None]) -> None:
        self._run, self._manifest, self._progress = run, manifest, progress
        self._names: Sequence[str] = ()
        self.done: list[str] = []
        self.kept: list[str] = []
        self.failed: dict[str, str] = {}

    def tasks(self, names: Sequence[str]) -> Iterator[tuple[str, VideoSequence]]:
        """Yield the sequences without a complete result; each is read when a worker is free."""
        self._names, wanted = names, set(self._run.only or names)
        self._progress(RunPlanned(self._run.dataset, len(wanted)))
        for index, name in enumerate(names):
            if name not in wanted:
                continue
            try:
                sequence = self._run.sequences[index]
                found = None if self._manifest.anew else self._earlier(name, sequence)
            except MixFormerError as error:
                self.take(Failed(name, str(error), traceback.format_exc()))
                continue
            if found is None:
                yield name, sequence
            else:
                self.kept.append(name)
                self._manifest.finished(name, len(sequence), found.times)
                self._progress(SequenceSkipped(name))

    def _earlier(self, name: str, sequence: VideoSequence) -> RawResult | None:
        """Return the complete result of an earlier run on this sequence, which begins at the same box; else None."""
        found = complete_result(self._run.folder, name, len(sequence))
        given = np.trunc(sequence.boxes[:1]) if self._run.truncate else sequence.boxes[:1]
        if found is None or np.allclose(found.boxes[:1], given, rtol=0, atol=1e-3):
            return found
        log.warning("%s is tracked again, since its result begins at another box; was the data set changed?", name)
        return None

    def take(self, event: Event) -> None:
        """Write the result or the failure, then report the event."""
        if isinstance(event, Completed):
            event = self._write(event)
        if isinstance(event, Failed):
            self.failed[event.name] = event.message
            self._manifest.failed(event.name, event.message, event.trace)
        self._progress(event)

    def _write(self, event: Completed) -> Completed | Failed:
        """Write a result. A result that is not finite makes its sequence a failed one."""
        raw: RawResult = event.result
        self._manifest.begin(_result_files(self._run.folder, self._names))
        try:
            write_result(
                self._run.folder,
                event.name,
                raw.boxes,
                raw.times,
                raw.scores,
                raw.statuses,
                truncate=self._run.truncate,
            )
        except DataError as error:
            return Failed(event.name, str(error), traceback.format_exc())
        self._manifest.finished(event.name, len(raw.boxes), raw.times, raw.size)
        self.done.append(event.name)
        return event


def _result_files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield the possible files of these names, and of other sequences that an earlier run tracked, with times."""
    others = [path.name.removesuffix("_time.txt") for path in folder.glob("*_time.txt")]
    for name in dict.fromkeys([*names, *others]):
        with suppress(DataError):  # no result can have such a name
            yield from result_paths(folder, name)


def complete_result(folder: Path, name: str, frames: int) -> RawResult | None:
    """Return the result of a sequence if it is readable and has a line for each frame, else None."""
    if not result_paths(folder, name)[0].is_file():
        return None
    try:
        return read_result(folder, name, frames)
    except DataError as error:
        log.warning("%s is tracked again, since its result is damaged: %s", name, error)
        return None


def _sequence_work(make: TrackerMaker, number: int) -> Work:
    """Make the function that tracks one sequence, in worker `number`."""
    return partial(run_tracker, make(number))
