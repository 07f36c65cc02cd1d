"""Measure the reports of an absent target, and the finds of it afterwards: VOTS, OxUvA, and delays in frames.

A frame is reported absent if its status is "lost" or it has no box; without statuses, also if its score is below 0.5.
The target is absent if the ground truth has no box or marks it as hidden. Frame 0 is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mixformer.evaluation.metrics.frame_errors import exact_iou, same_length, stretches
from mixformer.evaluation.metrics.longterm import LOST_BELOW
from mixformer.evaluation.metrics.metric_types import BoolArray, Measured, SequenceResult
from mixformer.evaluation.metrics.vot_eao import region_iou

_ENOUGH = 10  # VOTS: a sequence with as many absent frames or fewer has no ADQ
_HELD = 0.5  # IoU


@dataclass(frozen=True)
class _Counts:
    """Counts of frames by presence of the target and by report, in one or several sequences."""

    tracked: int = 0  # present, reported, and the box touches the target
    drifted: int = 0  # present and reported elsewhere
    missed: int = 0  # present and reported absent
    silent: int = 0  # absent and reported absent
    made_up: int = 0  # absent and reported
    held: int = 0  # present, reported, IoU at least 0.5
    false_finds: int = 0  # absent and reported, after a frame that was reported absent
    to_lost: tuple[float, ...] = ()  # of each absence
    to_find: tuple[float, ...] = ()  # of each return

    @property
    def present(self) -> int:
        return self.tracked + self.drifted + self.missed

    @property
    def absent(self) -> int:
        return self.silent + self.made_up


def measure_presence(runs: Iterable[SequenceResult], dataset: str = "") -> Measured:
    """Measure how well a tracker reports whether the target is present, and how soon it finds it again.

    VOTS counts frames of a sequence as T tracked (IoU above 0), F drifted (a box elsewhere), M missed (present, and
    reported absent), N absent and reported absent, and H absent but reported. Its measures are averaged over sequences:
    not-reported error NRE = M / (T + F + M), drift-rate error DRE = F / (T + F + M), absence-detection quality ADQ = N
    / (N + H), the last over sequences with more than 10 absent frames. Sources: Kristan et al., "The First Visual
    Object Tracking Segmentation VOTS2023 Challenge Results", section 2; `QualityAuxiliary` of vot-toolkit 0.9.0. The
    toolkit also counts the first frame.

    OxUvA pools the frames of all sequences: TPR is the fraction of the present ones that are reported with an IoU of
    0.5 or more, TNR the fraction of the absent ones that are reported absent. MaxGM is the largest geometric mean of
    both that a tracker can reach by reporting absence at random in a fraction p of its frames: max over p of sqrt((1 -
    p) TPR * ((1 - p) TNR + p)). Source: Valmadre et al., "Long-term Tracking in the Wild: a Benchmark", ECCV 2018,
    section 4.

    Delays are medians over all sequences: from the first frame of an absence to the first frame in it that is reported
    absent, and from the first frame of a return to the first one with an IoU above 0.5, before the next absence. 0
    means at once; infinity means never, in half of the cases or more. A false find, counted per 1,000 absent frames, is
    an absent frame in which the target is reported, after a frame in which it was not. NaN: there is nothing to count.
    """
    counts = {run.name: _count(run) for run in runs}
    rows = {name: _numbers([each]) for name, each in counts.items()}
    numbers = _numbers(list(counts.values()))
    for name in ("nre", "dre", "adq"):
        known = [row[name] for row in rows.values() if not math.isnan(row[name])]
        numbers[name] = sum(known) / len(known) if known else math.nan
    return Measured(numbers, {}, rows)


def reported_absent(run: SequenceResult) -> BoolArray:
    """Return (m,) True where a tracker reports the target absent; see the docstring of this module."""
    absent: BoolArray = np.asarray(np.isnan(run.predicted).any(1))
    if run.statuses is not None:
        absent |= run.statuses == "lost"
    elif run.scores is not None:
        absent |= run.scores < LOST_BELOW
    return absent


def max_geometric_mean(tpr: float, tnr: float) -> float:
    """Return OxUvA's MaxGM of a true positive and a true negative rate; see `measure_presence`."""
    if tnr >= 0.5:
        return math.sqrt(tpr * tnr)  # best without any guesses: p = 0
    return math.sqrt(tpr / (4 * (1 - tnr)))  # best at p = 1 - 1 / (2 (1 - TNR))


def _count(run: SequenceResult) -> _Counts:
    touching = region_iou(run)[1:] > 0
    overlap = np.nan_to_num(exact_iou(same_length(run, "presence"), run.truth), nan=0.0)[1:]
    before = reported_absent(run)
    present, silent = run.present[1:], before[1:]
    to_lost, to_find = [], []
    for start, end in stretches(~present):
        to_lost.append(_first(silent[start:end]))
        after = _first(~present[end:])
        back = slice(end, len(present) if math.isinf(after) else end + int(after))
        if end < len(present):
            to_find.append(_first(~silent[back] & (overlap[back] > _HELD)))
    return _Counts(
        tracked=int((present & ~silent & touching).sum()),
        drifted=int((present & ~silent & ~touching).sum()),
        missed=int((present & silent).sum()),
        silent=int((~present & silent).sum()),
        made_up=int((~present & ~silent).sum()),
        held=int((present & ~silent & (overlap >= _HELD)).sum()),
        false_finds=int((~present & ~silent & before[:-1]).sum()),
        to_lost=tuple(to_lost),
        to_find=tuple(to_find),
    )


def _first(chosen: BoolArray) -> float:
    """Return the number of frames before the first chosen one; infinity if there is none."""
    return float(np.argmax(chosen)) if chosen.any() else math.inf


def _numbers(counts: Sequence[_Counts]) -> dict[str, float]:
    """Compute the numbers of pooled frames; NRE, DRE and ADQ are those of the first sequence only."""
    present, absent, silent = (sum(getattr(each, key) for each in counts) for key in ("present", "absent", "silent"))
    held, false = sum(each.held for each in counts), sum(each.false_finds for each in counts)
    one = counts[0]
    known = present and absent
    return {
        "nre": one.missed / one.present if one.present else math.nan,
        "dre": one.drifted / one.present if one.present else math.nan,
        "adq": one.silent / one.absent if one.absent > _ENOUGH else math.nan,
        "maxgm": max_geometric_mean(held / present, silent / absent) if known else math.nan,
        "frames_to_lost": _median([delay for each in counts for delay in each.to_lost]),
        "frames_to_find": _median([delay for each in counts for delay in each.to_find]),
        "false_finds": 1000 * false / absent if absent else math.nan,
    }


def _median(delays: list[float]) -> float:
    """Return the median, with infinity as the mean of a number and infinity; NaN without delays."""
    return float(np.median(delays)) if delays else math.nan
