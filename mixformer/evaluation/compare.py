"""Reading several trackers' results and measuring them on the sequences that all of them have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.errors import DataError, first_few
from mixformer.evaluation.attributes import Attributes
from mixformer.evaluation.metrics import CONVENTIONS, SequenceResult, Summary, evaluate
from mixformer.evaluation.result_files import read_boxes, read_column
from mixformer.evaluation.result_folders import ResultFolder
from mixformer.types import FloatArray

Missing = Literal["leave-out", "zero"]
_FAR = (1e6, 1e6, 1.0, 1.0)  # overlaps nothing, clipped or not; an empty box would be filled in by some conventions
_CLIPPED = {"got10k", "longterm", "vot"}  # conventions that cut boxes at the frame's border, so its size must be known


@dataclass(frozen=True)
class Entry:
    """One tracker in a comparison.

    Attributes:
        tracker: its name.
        summary: its numbers over the compared sequences.
        boxes: (m, 4) xywh per compared sequence; m may differ from the number of frames, see `odd`.
        fps: frames per second over all sequences with times; None if there are none.
        missing: what is wrong with the sequences that it has no usable result for.
        odd: what is strange about results that the convention has a rule for, such as too many lines.
        first_pixel: what the left upper pixel was in its files; `boxes` count from 0.
        by_attribute: the main metric over the sequences of each attribute.
    """

    tracker: str
    summary: Summary
    boxes: Mapping[str, FloatArray] = field(repr=False)
    fps: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    first_pixel: float = 0.0
    by_attribute: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Trackers measured on the same sequences under one convention.

    Attributes:
        dataset: name of the set.
        entries: in the order given.
        sequences: compared, in the set's order; the truth can be read from them.
        total: sequences that were there to be compared.
        absent: sequences of the set's published list that were not there.
        policy: what was done with sequences that a tracker lacks.
        attributes: sequences by attribute; empty without attributes.
    """

    dataset: str
    entries: tuple[Entry, ...]
    sequences: tuple[VideoSequence, ...] = field(repr=False)
    total: int
    policy: Missing
    attributes: Attributes = field(default_factory=dict)
    absent: int = 0

    @property
    def main(self) -> str:
        """The metric that trackers are ranked by: the convention's own."""
        return CONVENTIONS[self.entries[0].summary.convention].main

    @property
    def sequence_metric(self) -> str:
        """The metric that sequences are ranked by: `main`, or the first that the convention has for a sequence."""
        metrics = next(iter(self.entries[0].summary.per_sequence.values()), {})
        return self.main if self.main in metrics else next(iter(metrics), self.main)

    @property
    def ranked(self) -> list[Entry]:
        """Entries, best first."""
        return sorted(self.entries, key=lambda entry: -np.nan_to_num(entry.summary.values[self.main], nan=-np.inf))

    @property
    def notes(self) -> tuple[str, ...]:
        """The convention, how many sequences count, and who lacks which."""
        summary = self.entries[0].summary
        lines = [f"Convention {summary.convention}: {summary.note}", self._counted()]
        from_one = [entry.tracker for entry in self.entries if entry.first_pixel]
        if from_one:
            lines.append(f"Pixels count from 1 in the files of {', '.join(from_one)}, which was taken off.")
        for entry in self.entries:
            lines += _listed(f"{entry.tracker} lacks", entry.missing) + _listed(
                f"{entry.tracker}, odd but used:", entry.odd
            )
        return tuple(lines)

    def _counted(self) -> str:
        parts = [f"{len(self.sequences)} of {self.total + self.absent} sequences"]
        if self.absent:
            parts.append(f"{self.absent} of the data set are missing")
        if self.policy == "zero":
            parts.append("one that a tracker lacks counts as tracked nowhere")
        elif len(self.sequences) < self.total:
            parts.append(f"{self.total - len(self.sequences)} left out for all, since a tracker lacks them")
        return "; ".join(parts) + "."


def _listed(start: str, reasons: Mapping[str, str]) -> list[str]:
    shown = "; ".join(first_few(f"{name} ({reason})" for name, reason in reasons.items()))
    return [f"{start} {shown}"] if reasons else []


def compare(
    dataset: str,
    folders: Iterable[ResultFolder],
    sequences: Iterable[VideoSequence],
    convention: str,
    *,
    missing: Missing = "leave-out",
    attributes: Attributes | None = None,
    absent: int = 0,
) -> Comparison:
    """Read and measure.

    Args:
        dataset: name of the set, which some conventions have special rules for.
        folders: at least one tracker's results.
        sequences: the truth.
        convention: key of `CONVENTIONS`.
        missing: leave a sequence that a tracker lacks out for all trackers, or count it as tracked nowhere.
        attributes: sequences by attribute, to measure each of these groups too.
        absent: how many more sequences the data set is known to have.

    Raises:
        DataError: if no sequence is left, or the truth of a sequence is not public.
    """
    truth = list(sequences)
    _require_truth(truth)
    sizes = {each.name: read_frame(each.frames[0]).shape[:2] for each in truth} if convention in _CLIPPED else {}
    rules = _Rules(convention, dataset, sizes)
    read = {folder.tracker: _read(folder, truth, rules) for folder in folders}
    lacking = {name for results in read.values() for name in results.missing}
    kept = tuple(each for each in truth if missing == "zero" or each.name not in lacking)
    if not kept:
        reasons = [": ".join(next(iter(results.missing.items()))) for results in read.values() if results.missing]
        raise DataError(f"no sequence of {dataset} has usable results of every tracker; {'; '.join(reasons)}")
    left = {each.name for each in kept}
    groups = {name: having & left for name, having in (attributes or {}).items() if having & left}
    entries = tuple(_measure(name, results, kept, rules, groups) for name, results in read.items())
    return Comparison(dataset, entries, kept, len(truth), missing, groups, absent)


@dataclass(frozen=True)
class _Rules:
    """How runs are measured."""

    convention: str
    dataset: str
    sizes: Mapping[str, tuple[int, ...]]

    def evaluate(self, runs: list[SequenceResult]) -> Summary:
        return evaluate(self.convention, runs, self.dataset)

    def tracked(self, sequence: VideoSequence, boxes: FloatArray, scores: FloatArray | None) -> SequenceResult:
        visible = None if sequence.hidden is None else ~sequence.hidden
        height, width = self.sizes.get(sequence.name, (0, 0))
        size = (height, width) if height else None
        return SequenceResult(sequence.name, boxes, sequence.boxes, visible, scores, size)


def _require_truth(sequences: list[VideoSequence]) -> None:
    for sequence in sequences:
        if len(sequence) > 1 and len(sequence.valid) < 2:
            raise DataError(
                f"{sequence.name}: the truth has {len(sequence.valid)} boxes for {len(sequence)} frames, so it is not "
                "public; pack the results and send them to the benchmark's server"
            )


@dataclass
class _Results:
    """What one tracker's folder holds."""

    first_pixel: float
    boxes: dict[str, FloatArray] = field(default_factory=dict)
    scores: dict[str, FloatArray] = field(default_factory=dict)
    times: dict[str, FloatArray] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)


def _read(folder: ResultFolder, sequences: list[VideoSequence], rules: _Rules) -> _Results:
    """Everything usable; what is missing or broken is kept as a reason, so that one bad file stops nothing."""
    results = _Results(folder.first_pixel)
    for sequence in sequences:
        name, path = sequence.name, folder.boxes_file(sequence.name)
        if path is None:
            results.missing[name] = "no file"
            continue
        try:
            boxes = read_boxes(path, allow_nan=True)
            boxes[:, :2] -= folder.first_pixel
            score_file = folder.side_file(name, "score")
            scores = None if score_file is None else read_column(score_file, len(boxes))
            if oddity := _oddity(boxes, len(sequence)):
                _require_rule(rules, rules.tracked(sequence, boxes, scores), f"{path}, {oddity}")
                results.odd[name] = f"{path}, {oddity}"
        except DataError as error:
            results.missing[name] = str(error)
            continue
        results.boxes[name] = boxes
        if scores is not None:
            results.scores[name] = scores
        _read_times(folder, name, results)
    return results


def _read_times(folder: ResultFolder, name: str, results: _Results) -> None:
    """Keep the times of a sequence; boxes count without them, so a broken file only makes the result odd."""
    path = folder.side_file(name, "time")
    try:
        if path is not None:
            results.times[name] = read_column(path)
    except DataError as error:
        results.odd.setdefault(name, str(error))


def _require_rule(rules: _Rules, run: SequenceResult, oddity: str) -> None:
    """Raise, with the place in the file, where the convention has no rule for an odd result."""
    try:
        rules.evaluate([run])
    except DataError as error:
        raise DataError(f"{oddity}: {error}") from error


def _oddity(boxes: FloatArray, frames: int) -> str:
    """The line and what a complete result would not have there; "" for nothing."""
    if len(boxes) < frames:
        return f"line {len(boxes) + 1} is missing, {len(boxes)} lines for {frames} frames"
    if len(boxes) > frames:
        return f"line {frames + 1} is too much, {len(boxes)} lines for {frames} frames"
    for wrong, what in ((~np.isfinite(boxes).all(1), "no box"), ((boxes[:, 2:] < 0).any(1), "a box of negative size")):
        if wrong.any():
            return f"line {1 + int(np.flatnonzero(wrong)[0])} is {what}"
    return ""


def _measure(
    tracker: str, results: _Results, sequences: tuple[VideoSequence, ...], rules: _Rules, groups: Attributes
) -> Entry:
    runs = []
    for sequence in sequences:
        boxes = results.boxes.get(sequence.name, np.tile(_FAR, (len(sequence), 1)))
        scores = results.scores.get(sequence.name)
        if scores is None and results.scores:  # beside sequences with scores, one without: it was sure of nothing
            scores = np.zeros(len(boxes))
        runs.append(rules.tracked(sequence, boxes, scores))
    summary, main = rules.evaluate(runs), CONVENTIONS[rules.convention].main
    by_attribute = {
        name: rules.evaluate([run for run in runs if run.name in having]).values[main]
        for name, having in groups.items()
    }
    seconds = sum(float(times.sum()) for times in results.times.values())
    fps = sum(map(len, results.times.values())) / seconds if seconds > 0 else None
    return Entry(
        tracker=tracker,
        summary=summary,
        boxes={run.name: run.predicted for run in runs},
        fps=fps,
        missing=results.missing,
        odd=results.odd,
        first_pixel=results.first_pixel,
        by_attribute=by_attribute,
    )
