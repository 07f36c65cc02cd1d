"""The result of an evaluation: numbers, failures, and the folder of raw results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from mixformer.errors import DataError, counted, first_few
from mixformer.evaluation.comparison import Comparison
from mixformer.evaluation.metrics import MetricSummary
from mixformer.files import write_text
from mixformer.optional import load


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """One tracker measured on one data set; `mixformer.evaluate` makes it.

    Attributes:
        tracker: name of the tracker.
        dataset: name of the data set.
        folder: raw results: `SEQUENCE.txt` with `_time`, `_score` and `_status` files, and `run.json`.
        done: sequences tracked by this call.
        kept: sequences that were already complete.
        failures: message of each sequence that failed; the tracebacks are in `folder/failures`.
        comparisons: the measurement under each convention, for `mixformer.evaluation.report`. Empty if the ground
            truth is not public, or no sequence has a result.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from mixformer.evaluation import ComparedTracker, Comparison, EvaluationResult
        >>> from mixformer.evaluation import SequenceResult, compute_metrics
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> found = Comparison("cars", (ComparedTracker("ours", summary, {}),), (), total=1, policy="zero")
        >>> EvaluationResult("ours", "cars", Path("results/ours/cars"), ("car-1",), (), {}, {"otb": found})
        EvaluationResult: ours on cars, 1 sequence, 0 failed; raw results in results/ours/cars
          otb: auc 0.952, op50 1.000, precision 1.000
    """

    tracker: str
    dataset: str
    folder: Path
    done: tuple[str, ...]
    kept: tuple[str, ...]
    failures: Mapping[str, str]
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def summaries(self) -> dict[str, MetricSummary]:
        """The numbers by convention; also "longterm" and "presence" if the target is absent in some frames."""
        found = {name: comparison.entries[0].summary for name, comparison in self.comparisons.items()}
        for comparison in self.comparisons.values():
            found |= comparison.entries[0].besides
        return found

    @property
    def summary(self) -> MetricSummary:
        """Metric -> value (fractions 0..1) under the first convention, which `.summary.convention` names.

        Raises DataError if nothing could be measured.
        """
        if not self.comparisons:
            reason = "every sequence failed" if self.failures else "the ground truth of this split is not public"
            raise DataError(
                f"{self.tracker} has no numbers on {self.dataset}: {reason}; the raw results are in {self.folder}"
            )
        return next(iter(self.summaries.values()))

    @property
    def per_sequence(self) -> Mapping[str, Mapping[str, float]]:
        """Sequence -> metric -> value under the first convention."""
        return self.summary.per_sequence

    @property
    def fps(self) -> float | None:
        """Frames per second of one worker, without reading pictures; None if unknown."""
        return next((comparison.entries[0].fps for comparison in self.comparisons.values()), None)

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error of the score, 0..1; None if the tracker has no score. See docs/metrics.md."""
        bins = next((comparison.entries[0].score_bins for comparison in self.comparisons.values()), None)
        return None if bins is None else bins.error

    def save(self, path: str | Path | None = None) -> Path:
        """Write the numbers as a JSON file, by default `metrics.json` beside the raw results; return its path.

        Raises OutputError if it cannot be written.
        """
        path = self.folder / "metrics.json" if path is None else Path(path)
        content = {
            "tracker": self.tracker,
            "dataset": self.dataset,
            "fps": self.fps,
            "calibration_error": self.calibration_error,
            "conventions": {
                name: {
                    "note": summary.note,
                    "summary": _plain(summary),
                    "per_sequence": {sequence: _plain(row) for sequence, row in summary.per_sequence.items()},
                }
                for name, summary in self.summaries.items()
            },
            "failures": dict(self.failures),
        }
        write_text(path, json.dumps(content, indent=1) + "\n")
        return path

    def to_dataframe(self, convention: str = "") -> Any:
        """Return a pandas DataFrame with a row for each sequence and a column for each metric.

        The convention is one of those measured, "" the first; `.attrs["convention"]` names it. Raises DataError if
        nothing was measured under it, and MissingDependencyError if pandas is not installed.
        """
        pandas = load("pandas", "to_dataframe()")
        summary = self.summaries.get(convention) if convention else self.summary
        if summary is None:
            raise DataError(f"not measured under {convention!r}, but under: {', '.join(self.summaries)}")
        frame = pandas.DataFrame.from_dict(summary.per_sequence, orient="index")
        frame.index.name = "sequence"
        frame.attrs |= {"convention": summary.convention, "tracker": self.tracker, "dataset": self.dataset}
        return frame

    def _repr_html_(self) -> str:
        failed = [f"{name}: {message}" for name, message in self.failures.items()]
        lines = [repr(self).splitlines()[0], *first_few(failed)]
        told = "".join(f"<div>{escape(line)}</div>" for line in lines)
        return told + "".join(comparison._repr_html_() for comparison in self.comparisons.values())

    def __repr__(self) -> str:
        count = counted(len(self.done) + len(self.kept), "sequence")
        lines = [
            f"EvaluationResult: {self.tracker} on {self.dataset}, {count}, {len(self.failures)} failed; "
            f"raw results in {self.folder.as_posix()}"
        ]
        for name, summary in self.summaries.items():
            lines.append(f"  {name}: " + ", ".join(f"{metric} {value:.3f}" for metric, value in summary.items()))
        return "\n".join(lines)


def _plain(numbers: Mapping[str, float]) -> dict[str, float | str | None]:
    """Make numbers fit for JSON: NaN ("nothing to measure") becomes null, and infinity the word "never"."""
    return {
        name: None if math.isnan(value) else "never" if math.isinf(value) else value for name, value in numbers.items()
    }
