"""Values that go into a measurement and come out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixformer.errors import DataError
from mixformer.types import FloatArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class SequenceResult:
    """What a tracker said about one sequence, beside the truth.

    Attributes:
        name: of the sequence; for anchor runs of VOT the sequence, "_" and the eight digits of the anchor.
        predicted: (m, 4) xywh in pixels; m may differ from n where a convention has a rule for it; NaN for "no box".
        truth: (n, 4) xywh in pixels, NaN where the target is absent or its box unknown.
        visible: (n,) True where the target can be seen, or None if the data set does not say.
        scores: (m,) how sure the tracker was, larger is surer; NaN where it did not say; None if it never does.
        size: (height, width) of the frames in pixels, or None if unknown.
        cover: (n,) GOT-10k's visible part in levels 0..8 (0: not to be seen), or None.
    """

    name: str
    predicted: FloatArray
    truth: FloatArray
    visible: BoolArray | None = None
    scores: FloatArray | None = None
    size: tuple[int, int] | None = None
    cover: FloatArray | None = None

    def __post_init__(self) -> None:
        for what, boxes in (("predicted", self.predicted), ("truth", self.truth)):
            if boxes.ndim != 2 or boxes.shape[1] != 4:
                raise DataError(f"{self.name}: {what} must be (n, 4) boxes x y w h, not of shape {boxes.shape}")
        if len(self.truth) == 0:
            raise DataError(f"{self.name}: there is no annotated frame to measure against")
        frames, lines = len(self.truth), len(self.predicted)
        rows: list[tuple[str, NDArray[np.generic] | None, int]] = [
            ("visible", self.visible, frames),
            ("cover", self.cover, frames),
            ("scores", self.scores, lines),
        ]
        for what, values, count in rows:
            if values is not None and values.shape != (count,):
                raise DataError(f"{self.name}: {what} has shape {values.shape}, but there are {count} boxes beside it")

    @property
    def annotated(self) -> BoolArray:
        """(n,) True where the truth is a box with a width and a height above 0."""
        with np.errstate(invalid="ignore"):
            return np.isfinite(self.truth).all(1) & (self.truth[:, 2] > 0) & (self.truth[:, 3] > 0)

    @property
    def present(self) -> BoolArray:
        """(n,) True where the truth has a box and the annotators did not mark the target as hidden."""
        return self.annotated if self.visible is None else self.annotated & self.visible


@dataclass(frozen=True)
class Curve:
    """A share of frames as a function of a threshold.

    Attributes:
        name: such as "success".
        thresholds: (k,) rising: overlap 0..1, pixels, parts of the target's size, frames or scores.
        values: (k,) fractions 0..1.
    """

    name: str
    thresholds: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Summary:
    """A tracker on a data set under one convention.

    Attributes:
        convention: its name in `CONVENTIONS`.
        values: named numbers as fractions 0..1, in the order in which a table shows them.
        curves: by name.
        per_sequence: sequence -> named numbers.
        note: the convention in a sentence, to stand under every table.
    """

    convention: str
    values: dict[str, float]
    curves: dict[str, Curve]
    per_sequence: dict[str, dict[str, float]]
    note: str


@dataclass(frozen=True)
class Convention:
    """A way to measure trackers, as one tool does it.

    Attributes:
        name: key in `CONVENTIONS`.
        title: for headings.
        main: name of the number that ranks trackers.
        note: the convention in a sentence.
        measure: runs and the name of the data set -> named numbers, curves, numbers per sequence.
    """

    name: str
    title: str
    main: str
    note: str
    measure: Callable[[Iterable[SequenceResult], str], Measured]


@dataclass(frozen=True)
class Measured:
    """A `Summary` before it is told which convention made it."""

    values: dict[str, float]
    curves: dict[str, Curve]
    per_sequence: dict[str, dict[str, float]]


def average_curves(
    names: list[str],
    curves: Mapping[str, tuple[FloatArray, list[FloatArray]]],
    scores: Mapping[str, tuple[str, Callable[[FloatArray], FloatArray]]],
) -> Measured:
    """Mean over sequences of curves and of the numbers read from them.

    Args:
        names: of the sequences.
        curves: name -> thresholds (k,) and one (k,) array of values per sequence.
        scores: name of a number -> the curve it is read from, and how: (..., k) values -> (...) numbers.
    """
    rows = {name: np.array(values) for name, (_, values) in curves.items()}
    columns = {name: read(rows[source]) for name, (source, read) in scores.items()}
    return Measured(
        values={name: float(column.mean()) for name, column in columns.items()},
        curves={name: Curve(name, points, rows[name].mean(0)) for name, (points, _) in curves.items()},
        per_sequence={
            sequence: {name: float(column[i]) for name, column in columns.items()} for i, sequence in enumerate(names)
        },
    )
