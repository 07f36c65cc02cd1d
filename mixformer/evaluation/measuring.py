"""Read result folders of several trackers and measure them on the sequences that all of them have."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.errors import DataError, counted
from mixformer.evaluation.attributes import Attributes
from mixformer.evaluation.comparison import ComparedTracker, Comparison, Missing
from mixformer.evaluation.manifest import noted_gflops
from mixformer.evaluation.metrics import (
    ABSENCE_CONVENTIONS,
    CONVENTIONS,
    MetricSummary,
    ScoreBins,
    SequenceResult,
    bin_scores,
    compute_metrics,
    require_convention,
    score_pairs,
)
from mixformer.evaluation.result_files import read_column, read_result_boxes, read_statuses
from mixformer.evaluation.result_folders import ResultFolder
from mixformer.evaluation.sequence_runner import sequence_result
from mixformer.types import FloatArray, StatusArray

log = logging.getLogger(__name__)

_FAR = (1e6, 1e6, 1.0, 1.0)  # a box that overlaps nothing, clipped or not; some conventions replace empty boxes
# Conventions that clip boxes to the frame, so its size must be known.
_CLIPPED = {"got10k", "longterm", "presence", "vot"}


def measure_results(
    dataset: str,
    folders: Iterable[ResultFolder],
    sequences: Iterable[VideoSequence],
    convention: str,
    *,
    missing: Missing = "leave-out",
    attributes: Attributes | None = None,
    absent: int = 0,
    besides: Sequence[str] = ABSENCE_CONVENTIONS,
) -> Comparison:
    """Read result folders and measure them; `compare` also finds the folders and the ground truth.

    Each group of `attributes` is measured too. `absent` sequences of the data set are not in `sequences`. If the target
    is absent in some frames, the results are also measured under the conventions `besides`.

    Raises ConfigError if the convention is unknown, and DataError if no sequence is left, or a ground truth is not
    public.
    """
    require_convention(convention)
    truth = list(sequences)
    for each in truth:
        if not public_truth(each):
            raise DataError(
                f"{each.name}: the ground truth has {counted(len(each.valid), 'box')} for "
                f"{counted(len(each), 'frame')}, so it is not public; pack the results (mixformer submit) and send "
                "them to the benchmark's server"
            )
    measurement = _prepare(convention, dataset, truth, besides)
    read = {folder.tracker: _read(folder, truth, measurement) for folder in folders}
    lacking = {name for results in read.values() for name in results.missing}
    kept = tuple(each for each in truth if missing == "zero" or each.name not in lacking)
    if not kept:
        reasons = [": ".join(next(iter(results.missing.items()))) for results in read.values() if results.missing]
        raise DataError(f"no sequence of {dataset} has usable results of every tracker; {'; '.join(reasons)}")
    if not _absent_somewhere(kept):
        measurement = replace(measurement, besides=())
    left = {each.name for each in kept}
    groups = {name: having & left for name, having in (attributes or {}).items() if having & left}
    entries = tuple(_measure(name, results, kept, measurement, groups) for name, results in read.items())
    return Comparison(dataset, entries, kept, len(truth), missing, groups, absent)


@dataclass(frozen=True)
class _Measurement:
    """A convention, with the facts about the data set that it needs."""

    convention: str
    dataset: str
    sizes: Mapping[str, tuple[int, ...]]
    besides: Sequence[str]

    def compute(self, results: list[SequenceResult]) -> MetricSummary:
        return compute_metrics(self.convention, results, self.dataset)

    def main_number(self, results: list[SequenceResult]) -> float:
        """Return the main metric of some of the measured results; NaN if there is nothing to measure in these alone."""
        try:
            return self.compute(results)[CONVENTIONS[self.convention].main]
        except DataError:
            return float("nan")

    def compute_besides(self, results: list[SequenceResult]) -> dict[str, MetricSummary]:
        """Measure under more conventions. Those that need scores, or frames that are missing, are left out."""
        found = {}
        for name in self.besides:
            with suppress(DataError):
                found[name] = compute_metrics(name, results, self.dataset)
        return found

    def result(
        self, sequence: VideoSequence, boxes: FloatArray, scores: FloatArray | None, statuses: StatusArray | None = None
    ) -> SequenceResult:
        height, width = self.sizes.get(sequence.name, (0, 0))
        return sequence_result(sequence, boxes, scores, (height, width) if height else None, statuses)


def _prepare(convention: str, dataset: str, sequences: list[VideoSequence], besides: Sequence[str]) -> _Measurement:
    """Read the size of each sequence's first picture, if a convention clips boxes to the frame."""
    besides = [name for name in besides if name != convention] if _absent_somewhere(sequences) else ()
    sizes: dict[str, tuple[int, ...]] = {}
    if convention in _CLIPPED or besides:
        try:
            sizes = {each.name: read_frame(each.frames[0]).shape[:2] for each in sequences}
        except DataError as error:
            if convention in _CLIPPED:
                raise
            log.warning("not measured under %s, which needs the sizes of frames: %s", " and ".join(besides), error)
            besides = ()
    return _Measurement(convention, dataset, sizes, besides)


def _absent_somewhere(sequences: Iterable[VideoSequence]) -> bool:
    """Tell whether fewer frames after the first show the target than there are."""
    return any((sequence.visible > 0).sum() < len(sequence) - 1 for sequence in sequences)


def public_truth(sequence: VideoSequence) -> bool:
    """Return whether the ground truth has more than the box of the first frame."""
    return len(sequence) <= 1 or len(sequence.valid) > 1


@dataclass
class _Results:
    """The usable results of one tracker, and the problems of its other results."""

    first_pixel: float
    gflops: float | None = None
    boxes: dict[str, FloatArray] = field(default_factory=dict)
    scores: dict[str, FloatArray] = field(default_factory=dict)
    times: dict[str, FloatArray] = field(default_factory=dict)
    statuses: dict[str, StatusArray] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)


def _read(folder: ResultFolder, sequences: list[VideoSequence], measurement: _Measurement) -> _Results:
    """Read all usable results; for a missing or broken file, keep the reason."""
    results = _Results(folder.first_pixel, noted_gflops(folder.folder))
    for sequence in sequences:
        name, path = sequence.name, folder.boxes_file(sequence.name)
        if path is None:
            results.missing[name] = "no file"
            continue
        # A damaged file makes its sequence missing, with the reason; other sequences still count.
        try:
            boxes = read_result_boxes(path, allow_nan=True)
            boxes[:, :2] -= folder.first_pixel
            score_file = folder.side_file(name, "score")
            scores = None if score_file is None else read_column(score_file, len(boxes))
            status_file = folder.side_file(name, "status")
            statuses = None if status_file is None else read_statuses(status_file, len(boxes))
            if oddity := _oddity(boxes, len(sequence)):
                _require_rule(measurement, measurement.result(sequence, boxes, scores), f"{path}, {oddity}")
                results.odd[name] = f"{path}, {oddity}"
        except DataError as error:
            results.missing[name] = str(error)
            continue
        results.boxes[name] = boxes
        if scores is not None:
            results.scores[name] = scores
        if statuses is not None:
            results.statuses[name] = statuses
        _read_times(folder, name, results)
    return results


def _read_times(folder: ResultFolder, name: str, results: _Results) -> None:
    """Read the times of a sequence. Boxes count without times, so a broken file only makes the result odd."""
    path = folder.side_file(name, "time")
    try:
        if path is not None:
            results.times[name] = read_column(path)
    except DataError as error:
        results.odd.setdefault(name, str(error))


def _require_rule(measurement: _Measurement, result: SequenceResult, oddity: str) -> None:
    """Raise DataError, naming the place in the file, if the convention has no rule for an odd result."""
    try:
        measurement.compute([result])
    except DataError as error:
        raise DataError(f"{oddity}: {error}") from error


def _oddity(boxes: FloatArray, frames: int) -> str:
    """Describe the first line that makes a result odd; "" if there is none."""
    if len(boxes) < frames:
        return f"line {len(boxes) + 1} is missing, {counted(len(boxes), 'line')} for {counted(frames, 'frame')}"
    if len(boxes) > frames:
        return f"line {frames + 1} is too much, {counted(len(boxes), 'line')} for {counted(frames, 'frame')}"
    for wrong, what in ((~np.isfinite(boxes).all(1), "no box"), ((boxes[:, 2:] < 0).any(1), "a box of negative size")):
        if wrong.any():
            return f"line {1 + int(np.flatnonzero(wrong)[0])} is {what}"
    return ""


def _measure(
    tracker: str, read: _Results, sequences: tuple[VideoSequence, ...], measurement: _Measurement, groups: Attributes
) -> ComparedTracker:
    # The results of all sequences; missing boxes are far away.
    results = []
    for sequence in sequences:
        boxes, statuses = read.boxes.get(sequence.name), read.statuses.get(sequence.name)
        if boxes is None:  # far away, and not reported absent
            boxes, statuses = np.tile(_FAR, (len(sequence), 1)), np.full(len(sequence), "tracking")
        scores = read.scores.get(sequence.name)
        if scores is None and read.scores:  # other sequences have scores, so this one gets the score 0
            scores = np.zeros(len(boxes))
        results.append(measurement.result(sequence, boxes, scores, statuses))
    # The numbers of all, of each attribute, and the speed.
    summary = measurement.compute(results)
    by_attribute = {
        name: measurement.main_number([result for result in results if result.name in having])
        for name, having in groups.items()
    }
    seconds = sum(float(times.sum()) for times in read.times.values())
    names = [sequence.name for sequence in sequences]
    return ComparedTracker(
        tracker=tracker,
        summary=summary,
        boxes={result.name: result.predicted for result in results},
        fps=sum(map(len, read.times.values())) / seconds if seconds > 0 else None,
        gflops=read.gflops,
        missing=read.missing,
        odd=read.odd,
        first_pixel=read.first_pixel,
        by_attribute=by_attribute,
        besides=measurement.compute_besides(results),
        score_bins=_score_bins([result for result in results if result.name in read.scores]),
        scores={name: read.scores[name] for name in names if name in read.scores},
        statuses={name: read.statuses[name] for name in names if name in read.statuses},
    )


def _score_bins(results: list[SequenceResult]) -> ScoreBins | None:
    """Bin the scores of all frames; None if there are none, or they are not probabilities."""
    if not results:
        return None
    scores, hits = (np.concatenate(each) for each in zip(*score_pairs(results), strict=True))
    try:
        return bin_scores(scores, hits)
    except DataError:
        return None
