"""Metrics by name: the same tracks under the conventions of the tools that papers use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from mixformer.errors import ConfigError, DataError
from mixformer.evaluation.metrics import longterm, pytracking, toolkit
from mixformer.evaluation.metrics import trackingnet_protocol as trackingnet
from mixformer.evaluation.metrics import vot_eao as vot
from mixformer.evaluation.metrics.metric_types import Convention, Curve, SequenceResult, Summary

__all__ = ["CONVENTIONS", "Convention", "Curve", "SequenceResult", "Summary", "evaluate"]

_ALL = (
    Convention(
        "pytracking",
        "pytracking / STARK",
        "auc",
        "Success: part of frames with overlap strictly above 0, 0.05 .. 1, so a perfect tracker scores 0.952; "
        "precision at 20 pixels, normalized precision at 0.20; all frames count, the first as a hit, frames without "
        "the target by the rules of the data set.",
        pytracking.measure,
    ),
    Convention(
        "otb",
        "OTB (got10k toolkit)",
        "auc",
        "Success: part of frames with overlap strictly above 0, 0.05 .. 1, so a perfect tracker scores 0.952; "
        "precision at 20 pixels; all frames count, the first as a hit, frames without a true box as misses.",
        toolkit.measure_otb,
    ),
    Convention(
        "got10k",
        "GOT-10k",
        "ao",
        "Mean overlap and parts of frames with overlap above 0.5 and 0.75 over all frames after the first in which the "
        "target is seen, boxes clipped to the frame; a perfect tracker scores 1.",
        toolkit.measure_got10k,
    ),
    Convention(
        "trackingnet",
        "TrackingNet devkit",
        "auc",
        "Areas under 21-point curves of boxes rounded to whole pixels: success over overlaps 0..1 (a perfect tracker "
        "scores 0.975), precision over 0..50 pixels and normalized precision over 0..0.5, which are averages, not the "
        "values at 20 pixels and 0.20.",
        trackingnet.measure,
    ),
    Convention(
        "longterm",
        "Long-term (VOT-LT)",
        "f",
        "Precision, recall and F at the score threshold where F is largest; the first frame is left out; a perfect "
        "tracker with honest scores gets 1.",
        longterm.measure_longterm,
    ),
    Convention(
        "absence",
        "Absence detection",
        "f",
        "A score below 0.5 or no box says that the target is absent; precision, recall and F of that over the "
        "frames of all sequences after the first; a perfect detector gets 1.",
        longterm.measure_absence,
    ),
    Convention(
        "vot",
        "VOT short-term (anchors)",
        "eao",
        "Runs from anchors without restart, failed after 10 frames with overlap up to 0.1; expected average overlap "
        "over 115 to 754 frames. The frame of the given box counts as overlap 0 in accuracy, so a perfect tracker's is "
        "below 1 by one frame a run.",
        vot.measure,
    ),
)
CONVENTIONS: Mapping[str, Convention] = MappingProxyType({convention.name: convention for convention in _ALL})


def evaluate(convention: str, runs: Iterable[SequenceResult], dataset: str = "") -> Summary:
    """Measure one tracker on one data set.

    Args:
        convention: name in `CONVENTIONS`.
        runs: what the tracker said about each sequence (for "vot": from each anchor); read once, one after another.
        dataset: name of the data set, such as "lasot" or "uav123"; it decides what "pytracking" does with frames
            without the target.

    Raises:
        ConfigError: for an unknown convention.
        DataError: if there is nothing to measure, a sequence comes twice, or a run breaks a rule of the convention.
    """
    if convention not in CONVENTIONS:
        raise ConfigError(f"no convention {convention!r}; choose from {', '.join(CONVENTIONS)}")
    chosen = CONVENTIONS[convention]
    measured = chosen.measure(_each_once(runs), dataset)
    return Summary(convention, measured.values, measured.curves, measured.per_sequence, chosen.note)


def _each_once(runs: Iterable[SequenceResult]) -> Iterator[SequenceResult]:
    seen: set[str] = set()
    for run in runs:
        if run.name in seen:
            raise DataError(f"{run.name} was given twice; give each sequence once")
        seen.add(run.name)
        yield run
    if not seen:
        raise DataError("no sequences to measure")
