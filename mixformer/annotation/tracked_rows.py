"""The tracked boxes of one target, stored compactly: a row for each frame, in the order of frames.

In files they are one text, a tenth of the numbers written out. NumPy reads it in three lines:

    steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4").reshape(8, -1)  # differences from row to row
    frames, ways, statuses, scores, *xywh = np.cumsum(steps, axis=1, dtype=np.int64)
    scores, xywh = scores / 1000, np.array(xywh).T / 100  # a score below 0 is none
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixformer.configs.argument_checks import checked
from mixformer.errors import BoxError, ConfigError
from mixformer.imaging.boxes import LARGEST
from mixformer.types import Box, FloatArray, Status

STATUSES: tuple[Status, ...] = ("tracking", "uncertain", "lost")
"""All statuses. Files hold their index in this order."""
Way = Literal["joined", "forward", "backward"]
"""The key boxes from which a box was tracked: those on both sides, the one before, or the one after."""
WAYS: tuple[Way, ...] = ("joined", "forward", "backward")
"""All ways."""
FoundWay = Literal["joined", "forward", "backward", "unjoined"]
"""The way of a found box; "unjoined" if it was tracked backward between two key boxes and is not joined yet."""
_COLUMNS = 8  # of a packed row


class TrackedBox(NamedTuple):
    """The box that a tracker found in one frame.

    Attributes:
        box: xywh in pixels, 0-based.
        score: probability (0..1) that the box holds the target; None for a model without a score head.
        status: "tracking", "uncertain" or "lost".

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import TrackedBox
        >>> TrackedBox(Box(10, 20, 30, 40), 0.9).status
        'tracking'
    """

    box: Box
    score: float | None = None
    status: Status = "tracking"


@dataclass(frozen=True, eq=False)
class TrackedRows:
    """The tracked boxes of one target: arrays of n rows, sorted by frame. They are never changed in place.

    Attributes:
        frames: (n,) int64 frame numbers, rising.
        boxes: (n, 4) float64 xywh in pixels with 2 decimals.
        scores: (n,) float64 with 3 decimals, 0..1; NaN without a score.
        statuses: (n,) uint8, indices in `STATUSES`.
        ways: (n,) uint8, indices in `WAYS`.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import TrackedBox, TrackedRows
        >>> rows = TrackedRows().put(5, [TrackedBox(Box(1, 2, 3, 4), 0.9), None], "forward")
        >>> len(rows), rows.at(5), rows.at(6)
        (1, TrackedBox(box=Box(x=1.0, y=2.0, w=3.0, h=4.0), score=0.9, status='tracking'), None)
    """

    frames: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float64))
    scores: FloatArray = field(default_factory=lambda: np.zeros(0, np.float64))
    statuses: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    ways: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    def __len__(self) -> int:
        return len(self.frames)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrackedRows):
            return NotImplemented
        pairs = zip(self._arrays(), other._arrays(), strict=True)
        return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[tuple[int, TrackedBox]]:
        """Iterate over frame numbers and tracked boxes."""
        return ((int(frame), self._row(place)) for place, frame in enumerate(self.frames))

    @checked
    def at(self, frame: int) -> TrackedBox | None:
        """Return the box of a frame, or None if it is not tracked."""
        place = int(np.searchsorted(self.frames, frame))
        return self._row(place) if place < len(self) and self.frames[place] == frame else None

    @checked
    def way(self, frame: int) -> Way | None:
        """Return the way in which a frame was tracked, or None if it is not tracked."""
        place = int(np.searchsorted(self.frames, frame))
        return WAYS[self.ways[place]] if place < len(self) and self.frames[place] == frame else None

    @checked
    def put(self, start: int, found: Iterable[TrackedBox | None], way: Way = "forward") -> TrackedRows:
        """Replace the rows of the frames from `start` on, one for each value; None removes the row of its frame."""
        values = list(found)
        begin, end = np.searchsorted(self.frames, (start, start + len(values)))
        new = TrackedRows.of([(start, way, values)])
        pairs = zip(self._arrays(), new._arrays(), strict=True)
        return TrackedRows(*(np.concatenate([old[:begin], put, old[end:]]) for old, put in pairs))

    @classmethod
    @checked
    def of(cls, runs: Iterable[tuple[int, Way, Sequence[TrackedBox | None]]]) -> TrackedRows:
        """Make rows of stretches (first frame, way, boxes), as from `runs`. The last box of a frame is used."""
        return _merged([cls(), *(_run(start, way, found) for start, way, found in runs)])

    @checked
    def only(self, chosen: NDArray[Any]) -> TrackedRows:
        """Return the rows that a mask or indices choose."""
        return TrackedRows(*(array[chosen] for array in self._arrays()))

    @checked
    def between(self, first: int, stop: int) -> TrackedRows:
        """Return the rows of the frames from `first` to before `stop`."""
        begin, end = np.searchsorted(self.frames, (first, stop))
        return TrackedRows(*(array[begin:end] for array in self._arrays()))

    def runs(self) -> Iterator[tuple[int, Way, list[TrackedBox]]]:
        """Yield the first frame, the way and the boxes of each stretch without a gap and with one way."""
        breaks = np.flatnonzero((np.diff(self.frames) != 1) | (np.diff(self.ways) != 0)) + 1
        for places in np.split(np.arange(len(self)), breaks) if len(self) else ():
            begin = int(places[0])
            yield int(self.frames[begin]), WAYS[self.ways[begin]], [self._row(int(place)) for place in places]

    def packed(self) -> str:
        """Return the rows as a text for files; see the top of this module."""
        scores = np.where(np.isnan(self.scores), -1, self.scores * 1000)
        table = np.column_stack([self.frames, self.ways, self.statuses, scores, self.boxes * 100]).round().T
        steps = np.diff(table, prepend=0).astype("<i4")
        return base64.b64encode(zlib.compress(steps.tobytes(), 1)).decode()

    @classmethod
    @checked
    def unpacked(cls, text: str, frame_count: int) -> TrackedRows:
        """Read the text of `packed`. Raises ConfigError if it is none, or does not fit a video of so many frames."""
        try:
            unzip = zlib.decompressobj()
            content = unzip.decompress(base64.b64decode(text, validate=True), frame_count * _COLUMNS * 4 + 1)
            steps = np.frombuffer(content, "<i4").reshape(_COLUMNS, -1)
        except (ValueError, zlib.error) as error:
            raise ConfigError(f"its tracked boxes cannot be unpacked: {error}") from error
        frames, ways, statuses, scores, *sides = np.cumsum(steps, axis=1, dtype=np.int64)
        boxes = np.stack(sides, axis=1) / 100
        ranges = (frames, frame_count), (ways, len(WAYS)), (statuses, len(STATUSES)), (scores + 1, 1002)
        fit = all(((column >= 0) & (column < stop)).all() for column, stop in ranges)
        if not (unzip.eof and fit and (np.diff(frames) > 0).all() and _are_boxes(boxes)):
            raise ConfigError("its tracked boxes are out of order, or out of the range of the video")
        known = np.where(scores < 0, np.nan, scores / 1000)
        return cls(frames, boxes, known, statuses.astype(np.uint8), ways.astype(np.uint8))

    def _row(self, place: int) -> TrackedBox:
        score = float(self.scores[place])
        box = Box(*self.boxes[place].tolist())
        return TrackedBox(box, None if np.isnan(score) else score, STATUSES[self.statuses[place]])

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.frames, self.boxes, self.scores, self.statuses, self.ways


def _run(start: int, way: Way, found: Sequence[TrackedBox | None]) -> TrackedRows:
    new = [(start + place, value) for place, value in enumerate(found) if value is not None]
    boxes = np.array([value.box for _, value in new], np.float64).reshape(-1, 4)
    boxes[:, 2:] = np.where(boxes[:, 2:] > 0, np.maximum(boxes[:, 2:], 0.01), boxes[:, 2:])  # no side rounds to 0
    if not _are_boxes(boxes):
        raise BoxError("a tracked box has no area, or a number that is not finite or beyond 10 million pixels")
    return TrackedRows(
        np.array([frame for frame, _ in new], np.int64),
        boxes.round(2) + 0.0,
        np.array([np.nan if value.score is None else value.score for _, value in new], np.float64).round(3),
        np.array([STATUSES.index(value.status) for _, value in new], np.uint8),
        np.full(len(new), WAYS.index(way), np.uint8),
    )


def _are_boxes(boxes: FloatArray) -> bool:
    return bool((np.abs(boxes) <= LARGEST).all() and (boxes[:, 2:] > 0).all())


def _merged(parts: Sequence[TrackedRows]) -> TrackedRows:
    """Join rows in the order of frames. If two parts have a row for a frame, the later part's is used."""
    joined = TrackedRows(*(np.concatenate(each) for each in zip(*(part._arrays() for part in parts), strict=True)))
    joined = joined.only(np.argsort(joined.frames, kind="stable"))
    return joined.only(np.append(joined.frames[1:] != joined.frames[:-1], [True] * (len(joined) > 0)).astype(bool))
