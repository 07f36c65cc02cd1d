"""Convert results for other libraries: flat rows, a pandas DataFrame, `supervision.Detections`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mixformer.imaging.boxes import xyxy_to_xywh
from mixformer.optional import load
from mixformer.types import Box, TrackResult

Found = TrackResult | Mapping[int, TrackResult]
"""The result of one frame: of one target, or of several by id."""


def to_row(result: TrackResult, id: int | None = None) -> dict[str, Any]:
    """Write a result as one flat row: frame, id (if given), time, x, y, w, h, score, status.

    Example:
        >>> from mixformer import Box, TrackResult
        >>> from mixformer.run import to_row
        >>> row = to_row(TrackResult(Box(10, 20, 30, 40), score=0.9, frame=5), id=2)
        >>> list(row.values())
        [5, 2, None, 10.0, 20.0, 30.0, 40.0, 0.9, 'tracking']
    """
    fields = result.to_dict()
    sides = dict(zip("xywh", fields.pop("box"), strict=True))
    frame, time = fields.pop("frame"), fields.pop("time")
    return {"frame": frame, **({} if id is None else {"id": id}), "time": time, **sides, **fields}


def to_dataframe(results: Iterable[Found]) -> Any:
    """Write the results of `track` as a pandas DataFrame, a row for each target and frame; see `to_row`.

    Args:
        results: results of one target, or dictionaries of results by id.

    Raises:
        MissingDependencyError: if pandas is not installed.

    Example:
        >>> from mixformer import Box, MixFormerError, TrackResult
        >>> from mixformer.run import to_dataframe
        >>> try:
        ...     print(len(to_dataframe([TrackResult(Box(10, 20, 30, 40), score=0.9, frame=5)])))
        ... except MixFormerError as error:  # pandas is not installed
        ...     print(1)
        1
    """
    pandas = load("pandas", "to_dataframe()")
    return pandas.DataFrame([to_row(result, id) for found in results for id, result in _by_id(found)])


def to_detections(found: Found, class_id: int = 0) -> Any:
    """Make `supervision.Detections` of the result of one frame, with the ids of targets as `tracker_id`.

    Lost targets are left out.

    Args:
        found: one result, which gets the id 1, or results by id.
        class_id: class of all targets.

    Raises:
        MissingDependencyError: if supervision is not installed.

    Example:
        >>> from mixformer import Box, MixFormerError, TrackResult
        >>> from mixformer.run import to_detections
        >>> try:
        ...     print(len(to_detections(TrackResult(Box(10, 20, 30, 40), score=0.9, frame=5))))
        ... except MixFormerError as error:  # supervision is not installed
        ...     print(1)
        1
    """
    supervision = load("supervision", "to_detections()")
    shown = [(id or 1, result) for id, result in _by_id(found) if getattr(result, "status", "") != "lost"]
    if not shown:
        return supervision.Detections.empty()
    return supervision.Detections(
        xyxy=np.array([result.box.xyxy for _, result in shown], np.float32),
        confidence=np.array([1.0 if result.score is None else result.score for _, result in shown], np.float32),
        class_id=np.full(len(shown), class_id),
        tracker_id=np.array([id for id, _ in shown]),
    )


def from_detections(detections: Any) -> dict[int, Box]:
    """Read the boxes of `supervision.Detections`, as targets of `MultiTracker`.

    Args:
        detections: with `xyxy` and, if it has them, `tracker_id`; without these, the ids are 1, 2, ...

    Example:
        >>> from types import SimpleNamespace
        >>> from mixformer.run import from_detections
        >>> from_detections(SimpleNamespace(xyxy=[[10, 20, 40, 60]], tracker_id=None))
        {1: Box(x=10.0, y=20.0, w=30.0, h=40.0)}
    """
    boxes = np.asarray(detections.xyxy, np.float64).reshape(-1, 4)
    ids = range(1, len(boxes) + 1) if detections.tracker_id is None else map(int, detections.tracker_id)
    return {id: Box(*xyxy_to_xywh(box).tolist()) for id, box in zip(ids, boxes, strict=True)}


def _by_id(found: Found) -> list[tuple[int | None, TrackResult]]:
    return [(None, found)] if isinstance(found, TrackResult) else list(found.items())
