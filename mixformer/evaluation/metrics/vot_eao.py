"""Accuracy, robustness and expected average overlap (EAO) of VOT's anchor-based short-term challenges (2020-2022).

The tracker is started at several anchors of a sequence. From each it runs to the end, or backwards to the beginning,
whichever is longer. It is never restarted. A run fails where its IoU is 0.1 or less for 10 frames in a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mixformer.errors import DataError
from mixformer.evaluation.metrics.frame_errors import exact_iou, same_length
from mixformer.evaluation.metrics.metric_types import Curve, Measured, SequenceResult
from mixformer.types import FloatArray


@dataclass(frozen=True)
class AnchorProtocol:
    """Numbers of the protocol; the defaults are those of VOT2020 to VOT2022."""

    threshold: float = 0.1  # a frame with an IoU at or below this counts towards a failure
    grace: int = 10  # number of such frames in a row that make a failure
    low: int = 115  # shortest sequence length of the average that is EAO, in frames
    high: int = 755  # longest sequence length of that average, exclusive


@dataclass(frozen=True)
class AnchorRun:
    """One run from one anchor."""

    iou: FloatArray  # (n,) IoU per frame in the order of the run, 0 from the failure on
    followed: int  # frames before the failure; n without one

    @property
    def failed(self) -> bool:
        """Return whether the target was lost."""
        return self.followed < len(self.iou)


def region_iou(run: SequenceResult) -> FloatArray:
    """Compute the IoU (n,) of boxes rounded to whole pixels and clipped to the frame, as VOT does on pixel masks.

    A frame without a true box has 1 if there is no predicted box either, else 0. Predictions must be complete.
    """
    predicted, truth = (_cut(np.round(boxes), run.size) for boxes in (same_length(run, "VOT"), run.truth))
    values = np.nan_to_num(exact_iou(predicted, truth), nan=0.0)
    absent = ~run.annotated
    values[absent] = np.isnan(run.predicted[absent]).any(1)
    return values


def _cut(boxes: FloatArray, size: tuple[int, int] | None) -> FloatArray:
    if size is None:
        return boxes
    limit = np.array([size[1], size[0]], dtype=np.float64)
    low, high = (np.clip(corner, 0.0, limit) for corner in (boxes[:, :2], boxes[:, :2] + boxes[:, 2:]))
    return np.concatenate([low, high - low], axis=1)


def anchor_run(run: SequenceResult, protocol: AnchorProtocol) -> AnchorRun:
    """Measure the IoU and the failure of one run. The frame of the given box is no answer, so its IoU is 0."""
    values = region_iou(run)
    values[0] = 0.0
    # It fails at the first `grace` frames in a row with a low IoU; absent frames are never low.
    low = np.concatenate([[0], np.cumsum((values <= protocol.threshold) & run.annotated)])
    starts = np.flatnonzero(low[protocol.grace :] - low[: -protocol.grace] == protocol.grace)
    followed = int(starts[0]) if len(starts) else len(values)
    values[followed:] = 0.0
    return AnchorRun(values, followed)


def expected_overlap(runs: Iterable[AnchorRun], high: int) -> FloatArray:
    """Compute the expected average overlap (high,) on a sequence of 0, 1 .. `high` - 1 frames after the first.

    For a length j, a run counts with the mean IoU of its frames 1 to j. A shorter run counts only if it failed: its
    missing frames are 0, and their sum is divided by j - 1, as in the toolkit. Lengths that no run reaches are 0.
    """
    total, weight = np.zeros(high), np.zeros(high)
    lengths = np.arange(1, high)
    for run in runs:
        sums = np.cumsum(run.iou[1:high])
        whole = len(sums)
        total[1 : whole + 1] += sums / lengths[:whole]
        weight[1 : whole + 1] += 1
        if run.failed and whole:
            total[whole + 1 :] += sums[-1] / (lengths[whole:] - 1)
            weight[whole + 1 :] += 1
    return total / np.maximum(weight, 1)


def measure(runs: Iterable[SequenceResult], dataset: str = "", protocol: AnchorProtocol | None = None) -> Measured:
    """Measure accuracy (mean IoU before a failure), robustness (fraction of frames before a failure) and EAO.

    Sequences are weighted by frames before a failure for accuracy, and by length for robustness. Runs are one per
    anchor, frames in the order in which the tracker saw them (backward runs reversed), named SEQUENCE_00000050 with the
    anchor's frame number in eight digits. A name without it is a single run from frame 0. Predictions must be complete.
    """
    protocol = protocol or AnchorProtocol()
    groups: dict[str, list[AnchorRun]] = {}
    length: dict[str, int] = {}
    for run in runs:
        name, anchor = split_anchor(run.name)
        one = anchor_run(run, protocol)
        groups.setdefault(name, []).append(one)
        frames = len(one.iou)  # a run of anchor + 1 frames went backwards
        length[name] = max(length.get(name, 0), frames if frames == anchor + 1 else anchor + frames)
    if not groups:
        raise DataError("there are no runs to measure; give at least one")
    # EAO takes all runs of all sequences at once; accuracy and robustness are averaged by sequence, with weights.
    curve = expected_overlap((run for group in groups.values() for run in group), protocol.high)
    per_sequence = {name: _accuracy_robustness(group) for name, group in groups.items()}
    followed = [sum(run.followed for run in group) for group in groups.values()]
    accuracy, robustness = (np.array([row[key] for row in per_sequence.values()]) for key in ("accuracy", "robustness"))
    values = {
        "eao": float(curve[protocol.low :].mean()),
        "accuracy": _weighted(accuracy, np.array(followed)),
        "robustness": _weighted(robustness, np.array(list(length.values()))),
    }
    lengths = np.arange(protocol.high, dtype=np.float64)
    return Measured(values, {"expected_overlap": Curve("expected_overlap", lengths, curve)}, per_sequence)


def split_anchor(name: str) -> tuple[str, int]:
    """Split the name of a run into the name of its sequence and the frame of its anchor."""
    found = re.fullmatch(r"(.+)_(\d{8})", name)
    return (found[1], int(found[2])) if found else (name, 0)


def _accuracy_robustness(group: list[AnchorRun]) -> dict[str, float]:
    followed = sum(run.followed for run in group)
    shared = sum(float(run.iou[: run.followed].sum()) for run in group)
    total = sum(len(run.iou) for run in group)
    return {"accuracy": shared / followed if followed else 0.0, "robustness": followed / total}


def _weighted(values: FloatArray, weights: FloatArray) -> float:
    return float((values * weights).sum() / weights.sum()) if weights.sum() else 0.0
