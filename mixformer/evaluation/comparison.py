"""Trackers measured on the same sequences: the value that reports show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from mixformer.data.sequence import VideoSequence
from mixformer.errors import DataError, first_few
from mixformer.evaluation.attributes import Attributes
from mixformer.evaluation.metrics import CONVENTIONS, MetricSummary, ScoreBins
from mixformer.evaluation.metrics.frame_errors import exact_iou, fit_length
from mixformer.types import FloatArray, StatusArray

Missing = Literal["leave-out", "zero"]


@dataclass(frozen=True)
class ComparedTracker:
    """One tracker of a comparison.

    Attributes:
        tracker: its name.
        summary: its numbers over the compared sequences.
        boxes: (m, 4) xywh per compared sequence, 0-based; m may differ from the number of frames, see `odd`.
        fps: frames per second over all sequences with times; None without times.
        gflops: billions of operations per frame, 2 per multiply-add; None if `mixformer evaluate` did not note them.
        missing: the reason for each sequence without a usable result.
        odd: the problem of each result that is used although it is unusual, such as one line too many.
        first_pixel: number of the left upper pixel in its files, 0 or 1.
        by_attribute: the main metric over the sequences of each attribute.
        besides: its numbers under the conventions for absent targets; empty if the target is never absent.
        score_bins: its scores in bins, with the rate of right boxes, over the frames of the sequences with scores; None
            without scores.
        scores: (m,) probabilities per compared sequence, NaN where there is none, where they were saved.
        statuses: (m,) words per compared sequence, each a `TrackResult.status`, where they were saved.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import ComparedTracker, SequenceResult, compute_metrics
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("got10k", [SequenceResult("car-1", truth, truth)])
        >>> round(ComparedTracker("ours", summary, {}).value("car-1", "ao"), 3)
        1.0
    """

    tracker: str
    summary: MetricSummary
    boxes: Mapping[str, FloatArray] = field(repr=False)
    fps: float | None = None
    gflops: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    first_pixel: float = 0.0
    by_attribute: Mapping[str, float] = field(default_factory=dict)
    besides: Mapping[str, MetricSummary] = field(default_factory=dict)
    score_bins: ScoreBins | None = None
    scores: Mapping[str, FloatArray] = field(default_factory=dict, repr=False)
    statuses: Mapping[str, StatusArray] = field(default_factory=dict, repr=False)

    def value(self, sequence: str, metric: str) -> float | None:
        """Return the metric on one sequence, or None if the convention does not compute it by sequence."""
        return self.summary.per_sequence.get(sequence, {}).get(metric)


@dataclass(frozen=True)
class Comparison:
    """Trackers measured on the same sequences under one convention; `mixformer.evaluation.compare` makes it.

    Attributes:
        dataset: name of the data set.
        entries: the trackers in the order given.
        sequences: the compared sequences in the data set's order, with their ground truth.
        total: number of sequences that could be compared.
        policy: if a tracker lacks a sequence, "leave-out" leaves it out for all; "zero" counts its frames as IoU 0.
        attributes: sequences by attribute; empty without attributes.
        absent: number of sequences of the set's published list that were not there.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> found = Comparison("cars", (ComparedTracker("ours", summary, {}),), (), total=1, policy="zero")
        >>> found.main, found.ranked[0].tracker
        ('auc', 'ours')
    """

    dataset: str
    entries: tuple[ComparedTracker, ...]
    sequences: tuple[VideoSequence, ...] = field(repr=False)
    total: int
    policy: Missing
    attributes: Attributes = field(default_factory=dict)
    absent: int = 0

    @property
    def main(self) -> str:
        """The convention's main metric, which ranks trackers."""
        return CONVENTIONS[self.entries[0].summary.convention].main

    @property
    def sequence_metric(self) -> str:
        """The metric that ranks sequences: `main`, or else the first that the convention computes by sequence."""
        metrics = next(iter(self.entries[0].summary.per_sequence.values()), {})
        return self.main if self.main in metrics else next(iter(metrics), self.main)

    @property
    def ranked(self) -> list[ComparedTracker]:
        """The trackers, best first."""
        return sorted(self.entries, key=lambda entry: -np.nan_to_num(entry.summary[self.main], nan=-np.inf))

    @property
    def mine_first(self) -> list[ComparedTracker]:
        """The first tracker, which pages are about, then the others, best first."""
        return [self.entries[0], *(entry for entry in self.ranked if entry is not self.entries[0])]

    @property
    def hardest(self) -> list[str]:
        """Names of the sequences by the first tracker's number, lowest first; those without a number are last."""

        def rank(name: str) -> float:
            value = self.entries[0].value(name, self.sequence_metric)
            return np.inf if value is None or np.isnan(value) else value

        return sorted((sequence.name for sequence in self.sequences), key=rank)

    def frame_overlaps(self, sequence: str) -> dict[str, FloatArray]:
        """Compute the overlap of each frame of a sequence, without the special rules of a convention.

        Returns:
            Tracker -> (n,) IoU 0..1; NaN where the frame has no true box, or the tracker none.

        Raises:
            DataError: if the sequence was not compared.

        Example:
            >>> import numpy as np
            >>> from pathlib import Path
            >>> from mixformer.data import VideoSequence
            >>> from mixformer.evaluation import ComparedTracker, Comparison, SequenceResult, compute_metrics
            >>> truth = np.array([[10.0, 20, 40, 30], [10, 20, 40, 30], [np.nan] * 4])
            >>> boxes = np.array([[10.0, 20, 40, 30], [30, 20, 40, 30], [30, 20, 40, 30]])
            >>> summary = compute_metrics("pytracking", [SequenceResult("car-1", boxes, truth)])
            >>> car = VideoSequence("car-1", [Path("1.jpg"), Path("2.jpg"), Path("3.jpg")], truth)
            >>> entries = (ComparedTracker("ours", summary, {"car-1": boxes}),)
            >>> found = Comparison("cars", entries, (car,), total=1, policy="zero")
            >>> found.frame_overlaps("car-1")["ours"].round(2).tolist()
            [1.0, 0.33, nan]
        """
        found = next((each for each in self.sequences if each.name == sequence), None)
        if found is None:
            known = ", ".join(first_few(each.name for each in self.sequences))
            raise DataError(f"{sequence!r} is not among the compared sequences: {known}")
        truth = np.full_like(found.boxes, np.nan)
        truth[found.valid] = found.boxes[found.valid]
        return {
            entry.tracker: exact_iou(fit_length(entry.boxes[sequence], len(found), np.nan), truth)
            for entry in self.entries
        }

    def _repr_html_(self) -> str:
        from mixformer.evaluation.report.build_tables import by_sequence, overall
        from mixformer.evaluation.report.tables import to_notebook

        return to_notebook(overall(self)) + to_notebook(replace(by_sequence(self), notes=()))

    @property
    def notes(self) -> tuple[str, ...]:
        """The convention, the number of sequences that count, and the sequences that each tracker lacks."""
        summary = self.entries[0].summary
        lines = [f"Convention {summary.convention}: {summary.note}", self._counted()]
        if any(entry.score_bins for entry in self.entries):
            lines.append(
                "ECE, the expected calibration error: the mean distance, over ten bins, of the score from the "
                "fraction of boxes that overlap the target by more than half."
            )
        from_one = [entry.tracker for entry in self.entries if entry.first_pixel]
        if from_one:
            lines.append(f"Pixels count from 1 in the files of {', '.join(from_one)}; the 1 was subtracted.")
        nobody = {
            name: reason
            for name, reason in self.entries[0].missing.items()
            if all(entry.missing.get(name) == reason for entry in self.entries)
        }
        if len(self.entries) > 1:
            lines += _listed("No tracker has results for", nobody)
        for entry in self.entries:
            own = {
                name: reason for name, reason in entry.missing.items() if len(self.entries) == 1 or name not in nobody
            }
            lines += _listed(f"{entry.tracker} lacks", own) + _listed(f"{entry.tracker}, odd but used:", entry.odd)
        return tuple(lines)

    def _counted(self) -> str:
        parts = [f"{len(self.sequences)} of {self.total + self.absent} sequences"]
        if self.absent:
            parts.append(f"{self.absent} of the data set are missing")
        if self.policy == "zero":
            parts.append("a sequence that a tracker lacks counts as tracked nowhere")
        elif len(self.sequences) < self.total:
            parts.append(f"{self.total - len(self.sequences)} left out for all, since a tracker lacks them")
        return "; ".join(parts) + "."


def _listed(start: str, reasons: Mapping[str, str]) -> list[str]:
    shown = "; ".join(first_few(f"{name} ({reason})" for name, reason in reasons.items()))
    return [f"{start} {shown}"] if reasons else []
