"""Values of metrics: results of one sequence, curves and summaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixformer.errors import DataError, counted
from mixformer.types import FloatArray, StatusArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class SequenceResult:
    """A tracker's boxes on one sequence, beside the ground truth.

    Attributes:
        name: the sequence. An anchor run of VOT is named SEQUENCE_00000050, with the anchor's frame in eight digits.
        predicted: (m, 4) xywh in pixels, NaN for "no box". m may differ from n where a convention has a rule for that.
        truth: (n, 4) xywh in pixels, NaN where the target is absent or its box is unknown.
        visible: (n,) True where the target is visible, or None if the data set does not say.
        scores: (m,) confidence, larger is more certain, NaN where there is none; or None if the tracker has no scores.
        size: (height, width) of the frames in pixels, or None if unknown.
        visible_ratio: (n,) GOT-10k's levels of visibility, 0 (not visible) to 8 (fully visible), or None.
        statuses: (m,) words, each a `TrackResult.status`; or None if the tracker has none.

    Raises DataError if an array has a wrong shape, or there is no annotated frame.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import SequenceResult
        >>> truth = np.array([[10.0, 20, 40, 30], [np.nan] * 4])
        >>> result = SequenceResult("car-1", predicted=np.array([[10.0, 20, 40, 30]] * 2), truth=truth)
        >>> result.annotated.tolist()
        [True, False]
    """

    name: str
    predicted: FloatArray
    truth: FloatArray
    visible: BoolArray | None = None
    scores: FloatArray | None = None
    size: tuple[int, int] | None = None
    visible_ratio: FloatArray | None = None
    statuses: StatusArray | None = None

    def __post_init__(self) -> None:
        for what, boxes in (("predicted", self.predicted), ("truth", self.truth)):
            if boxes.ndim != 2 or boxes.shape[1] != 4:
                raise DataError(f"{self.name}: {what} must be (n, 4) boxes x y w h, not of shape {boxes.shape}")
        if len(self.truth) == 0:
            raise DataError(f"{self.name}: there is no annotated frame to measure against; leave the sequence out")
        frames, lines = len(self.truth), len(self.predicted)
        rows: list[tuple[str, NDArray[np.generic] | None, int]] = [
            ("visible", self.visible, frames),
            ("visible_ratio", self.visible_ratio, frames),
            ("scores", self.scores, lines),
            ("statuses", self.statuses, lines),
        ]
        for what, values, count in rows:
            if values is not None and values.shape != (count,):
                raise DataError(
                    f"{self.name}: {what} has shape {values.shape}, but there are {count} boxes; give one each"
                )
        if self.visible is not None:  # `~` of whole numbers is no opposite
            object.__setattr__(self, "visible", self.visible.astype(np.bool_))

    @property
    def annotated(self) -> BoolArray:
        """(n,) True where the ground truth is a box with a width and a height above 0."""
        with np.errstate(invalid="ignore"):
            return np.isfinite(self.truth).all(1) & (self.truth[:, 2] > 0) & (self.truth[:, 3] > 0)

    @property
    def present(self) -> BoolArray:
        """(n,) True where the ground truth has a box and the annotators did not mark the target as hidden."""
        return self.annotated if self.visible is None else self.annotated & self.visible


@dataclass(frozen=True)
class Curve:
    """A fraction of frames as a function of a threshold."""

    name: str  # such as "success"
    thresholds: FloatArray  # (k,) rising: IoU 0..1, pixels, fractions of the target's size, frames or scores
    values: FloatArray  # (k,) fractions 0..1


@dataclass(frozen=True, eq=False)
class MetricSummary(Mapping[str, float]):
    """The numbers of one tracker on one data set under one convention: a mapping from metric to value.

    Values are fractions 0..1, or counts where the name says so, in the order in which a table shows them.

    Attributes:
        convention: name in `CONVENTIONS`.
        numbers: metric -> value.
        curves: the curves of the convention, by name.
        per_sequence: sequence -> metric -> value.
        note: the convention in a sentence, to print under a table.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import SequenceResult, compute_metrics
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("otb", [SequenceResult("car-1", truth, truth)])
        >>> summary
        MetricSummary(otb: auc 0.952, op50 1.000, precision 1.000; 1 sequence)
        >>> round(summary["auc"], 3)
        0.952
    """

    convention: str
    numbers: Mapping[str, float]
    curves: Mapping[str, Curve]
    per_sequence: Mapping[str, Mapping[str, float]]
    note: str

    def __getitem__(self, metric: str) -> float:
        return self.numbers[metric]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{metric} {value:.3f}" for metric, value in self.items())
        return f"MetricSummary({self.convention}: {numbers}; {counted(len(self.per_sequence), 'sequence')})"


@dataclass(frozen=True)
class Convention:
    """A way to measure trackers, as one tool does it.

    Attributes:
        name: key in `CONVENTIONS`.
        title: for headings.
        main: the metric that ranks trackers.
        note: the convention in a sentence.
        measure: (results, name of the data set) -> numbers, curves and numbers per sequence.

    Example:
        >>> from mixformer.evaluation import CONVENTIONS
        >>> CONVENTIONS["got10k"].main
        'ao'
    """

    name: str
    title: str
    main: str
    note: str
    measure: Callable[[Iterable[SequenceResult], str], Measured]


@dataclass(frozen=True)
class Measured:
    """The numbers of a `MetricSummary`, without the name of their convention."""

    values: dict[str, float]
    curves: dict[str, Curve]
    per_sequence: dict[str, dict[str, float]]


def average_curves(
    curves: Iterable[tuple[str, Sequence[FloatArray]]],
    thresholds: Mapping[str, FloatArray],
    scores: Mapping[str, tuple[str, Callable[[FloatArray], FloatArray]]],
) -> Measured:
    """Average curves over sequences, and the numbers read from them.

    `curves` has the name of each sequence, and one (k,) curve for each entry of `thresholds`. `scores` has for each
    metric the curve it is read from, and the function that reads it: (..., k) values -> (...) numbers.
    """
    names, found = zip(*curves, strict=True)
    rows = {name: np.array(values) for name, values in zip(thresholds, zip(*found, strict=True), strict=True)}
    columns = {name: read(rows[source]) for name, (source, read) in scores.items()}
    return Measured(
        values={name: float(column.mean()) for name, column in columns.items()},
        curves={name: Curve(name, points, rows[name].mean(0)) for name, points in thresholds.items()},
        per_sequence={
            sequence: {name: float(column[i]) for name, column in columns.items()} for i, sequence in enumerate(names)
        },
    )
