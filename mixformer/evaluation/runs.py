"""One tracker over many sequences: skip what is done, keep failures apart, write every result as it comes."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixformer.data.sequence import LazySequences, VideoSequence
from mixformer.errors import ConfigError, DataError, MixFormerError
from mixformer.evaluation.manifest import RunManifest
from mixformer.evaluation.result_files import RawResult, read_result, result_paths, write_result
from mixformer.evaluation.sequence_runner import Track, TrackerLike, follow
from mixformer.run.executor import Completed, Event, Executor, Failed, Report, Work

log = logging.getLogger(__name__)

TrackerMaker = Callable[[int], TrackerLike]
"""Makes the tracker of worker number i. It is sent to the workers, so it must be picklable."""


@dataclass(frozen=True)
class EvaluationRun:
    """What to run.

    Attributes:
        tracker: name of the tracker, and of its folder.
        dataset: name of the data set, and of the folder below.
        sequences: the data set; read one at a time.
        make: makes the tracker in each worker.
        out: folder of results; these go to `out/tracker/dataset`.
        settings: plain values that decide the results, such as the model and its rules. Results made with others are
            not gone on with.
        notes: plain values that do not, such as the device; written beside them.
        integers: write whole pixels, cut off as the official code does.
        split: of the data set, to keep the lists of its sequences apart.
        only: names of the sequences to track; () for all.
    """

    tracker: str
    dataset: str
    sequences: Sequence[VideoSequence]
    make: TrackerMaker
    out: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    integers: bool = False
    split: str = ""
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, name in (("tracker", self.tracker), ("data set", self.dataset)):
            if not name or name in (".", "..") or any(sign in name for sign in '/\\:*?"<>|'):
                raise ConfigError(f"the name of the {what} becomes a folder, which {name!r} cannot be")

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.out / self.tracker / self.dataset


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        folder: the results.
        done: sequences tracked now.
        kept: sequences that were complete before.
        failed: message of each sequence that failed.
    """

    folder: Path
    done: tuple[str, ...]
    kept: tuple[str, ...]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Skipped:
    """A sequence whose result is complete already."""

    name: str


JobEvent = Event | Skipped


def run_evaluation(
    job: EvaluationRun, executor: Executor, listen: Callable[[JobEvent], None] = lambda event: None
) -> Outcome:
    """Track all sequences that have no complete result yet.

    Every result is written whole when its sequence is done, by this process alone; `run.json` says with what the
    results were made and what failed. What goes wrong in one sequence is kept in `failures/NAME.txt`, and the others
    go on. Results do not depend on the number of workers.

    Args:
        job: what to run.
        executor: who does the work.
        listen: told of every event, after results are written.

    Raises:
        ConfigError: if the folder holds results made with other settings, two sequences have one name, or there is
            none of a wanted name.
        OutputError: if a result cannot be written; those before are kept.
        MixFormerError: if no worker can be made.
    """
    names = names_of(job.sequences)
    _require_known(job.only, names)
    settings = {**job.settings, "integers": job.integers}
    journal = RunManifest.open(job.folder, settings, job.notes, {job.split: names})
    running = _Run(job, journal, listen)
    try:
        with closing(executor.run(_SequenceWork(job.make), running.tasks(names))) as events:
            for event in events:
                running.take(event)
    finally:
        journal.save()
    return Outcome(job.folder, tuple(running.done), tuple(running.kept), running.failed)


def names_of(sequences: Sequence[VideoSequence]) -> list[str]:
    """Names of the sequences, in order, without reading a lazy data set.

    Raises:
        ConfigError: if two are equal: their results would be one file.
    """
    names = list(sequences.names if isinstance(sequences, LazySequences) else [each.name for each in sequences])
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise ConfigError(f"two sequences are called {twice!r}; give them different names")
    return names


def _require_known(wanted: Sequence[str], names: Sequence[str]) -> None:
    if missing := sorted(set(wanted) - set(names)):
        some = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        raise ConfigError(f"there is no sequence {', '.join(missing)}; there are {len(names)}: {some}")


class _Run:
    """A job that runs: hands out its sequences and takes what becomes of them."""

    def __init__(self, job: EvaluationRun, journal: RunManifest, listen: Callable[[JobEvent], None]) -> None:
        self._job, self._journal, self._listen = job, journal, listen
        self.done: list[str] = []
        self.kept: list[str] = []
        self.failed: dict[str, str] = {}

    def tasks(self, names: Sequence[str]) -> Iterator[tuple[str, VideoSequence]]:
        """The sequences without a complete result; each is read when a worker is free."""
        wanted = set(self._job.only or names)
        for index, name in enumerate(names):
            if name not in wanted:
                continue
            try:
                sequence = self._job.sequences[index]
                found = complete_result(self._job.folder, name, len(sequence))
            except MixFormerError as error:
                self.take(Failed(name, str(error), traceback.format_exc()))
                continue
            if found is None:
                yield name, sequence
            else:
                self.kept.append(name)
                self._journal.finished(name, len(sequence), found.times)
                self._listen(Skipped(name))

    def take(self, event: Event) -> None:
        """Write the result or the failure, then tell of it."""
        if isinstance(event, Completed):
            event = self._write(event)
        if isinstance(event, Failed):
            self.failed[event.name] = event.message
            self._journal.failed(event.name, event.message, event.trace)
        self._listen(event)

    def _write(self, event: Completed) -> Completed | Failed:
        """Write a result; one that is not finite, from a broken tracker, is a failure of its sequence."""
        track: Track = event.result
        try:
            write_result(
                self._job.folder, event.name, track.boxes, track.times, track.scores, integers=self._job.integers
            )
        except DataError as error:
            return Failed(event.name, str(error), traceback.format_exc())
        self._journal.finished(event.name, len(track.boxes), track.times, track.size)
        self.done.append(event.name)
        return event


def complete_result(folder: Path, name: str, frames: int) -> RawResult | None:
    """The result of a sequence, if it is readable and has a line for each of its frames; None otherwise.

    Raises:
        DataError: if the name of the sequence cannot be a file name.
    """
    if not result_paths(folder, name)[0].is_file():
        return None
    try:
        return read_result(folder, name, frames)
    except DataError as error:
        log.warning("%s is tracked again, since its result is damaged: %s", name, error)
        return None


@dataclass(frozen=True)
class _SequenceWork:
    """Makes the function that tracks one sequence in a worker."""

    make: TrackerMaker

    def __call__(self, number: int) -> Work:
        tracker = self.make(number)

        def work(sequence: VideoSequence, report: Report) -> Track:
            return follow(tracker, sequence, report)

        return work
