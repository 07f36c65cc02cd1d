"""Metrics as the evaluation tools of the papers compute them: one convention per tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from mixformer.errors import ConfigError, DataError
from mixformer.evaluation.metrics import longterm, lost_found, pytracking, toolkit, vot_eao as vot
from mixformer.evaluation.metrics.calibration_error import (
    ScoreBins as ScoreBins,
    bin_scores as bin_scores,
    score_pairs as score_pairs,
)
from mixformer.evaluation.metrics.metric_types import (
    Convention as Convention,
    Curve as Curve,
    MetricSummary as MetricSummary,
    SequenceResult as SequenceResult,
)

_ALL = (
    Convention(
        "pytracking",
        "pytracking / STARK",
        "auc",
        "Success: fraction of frames with IoU strictly above 0, 0.05 .. 1, so a perfect tracker scores 0.952 (95.2 %); "
        "precision at 20 pixels, normalized precision at 0.20; all frames count, the first as a hit, frames without "
        "the target by the rules of the data set.",
        pytracking.measure,
    ),
    Convention(
        "otb",
        "OTB (got10k toolkit)",
        "auc",
        "Success: fraction of frames with IoU strictly above 0, 0.05 .. 1, so a perfect tracker scores 0.952 (95.2 %); "
        "precision at 20 pixels; all frames count, the first as a hit, frames without a true box as misses.",
        toolkit.measure_otb,
    ),
    Convention(
        "got10k",
        "GOT-10k",
        "ao",
        "Mean IoU and fractions of frames with IoU above 0.5 and 0.75, over all frames after the first in which the "
        "target is visible, boxes clipped to the frame; a perfect tracker scores 1.",
        toolkit.measure_got10k,
    ),
    Convention(
        "trackingnet",
        "TrackingNet devkit",
        "auc",
        "Areas under 21-point curves of boxes rounded to whole pixels: success over IoU 0..1 (a perfect tracker "
        "scores 0.975), precision over 0..50 pixels and normalized precision over 0..0.5, which are averages, not the "
        "values at 20 pixels and 0.20.",
        toolkit.measure_trackingnet,
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
        "A score below 0.5, or no box, reports the target absent; precision, recall and F of these reports over the "
        "frames of all sequences after the first; a perfect detector gets 1.",
        longterm.measure_absence,
    ),
    Convention(
        "presence",
        "Lost and found (VOTS, OxUvA)",
        "maxgm",
        "NRE and DRE: fractions of the frames with the target that are reported absent, or elsewhere; ADQ: fraction of "
        "the frames without it that are reported absent; MaxGM as in OxUvA; median frames to declare an absent target "
        "lost and to find it again; false finds per 1,000 absent frames. A status of lost reports absence (without "
        "statuses a score below 0.5). A perfect tracker gets 0, 0, 1, 1, 0, 0, 0.",
        lost_found.measure_presence,
    ),
    Convention(
        "vot",
        "VOT short-term (anchors)",
        "eao",
        "Runs from anchors without restart; a run fails after 10 frames with IoU up to 0.1; expected average overlap "
        "over 115 to 754 frames. The frame of the given box counts as IoU 0 in accuracy, so a perfect tracker's is "
        "below 1 by one frame per run.",
        vot.measure,
    ),
)
CONVENTIONS: Mapping[str, Convention] = MappingProxyType({convention.name: convention for convention in _ALL})
"""The conventions by name."""

ABSENCE_CONVENTIONS = ("longterm", "presence")
"""Conventions that a data set gets besides its own if the target is absent in some frames."""

DEFAULT_CONVENTION = "pytracking"
"""The convention of the papers, and of every number that this project publishes."""
_OWN = {"got10k": "got10k", "trackingnet": "trackingnet"}


def convention_of(dataset: str) -> str:
    """Return the convention of a data set's own server or toolkit, else "pytracking" as in the papers.

    Example:
        >>> from mixformer.evaluation import convention_of
        >>> convention_of("got10k"), convention_of("lasot")
        ('got10k', 'pytracking')
    """
    return _OWN.get(dataset, DEFAULT_CONVENTION)


def require_convention(name: str) -> Convention:
    """Return the convention with this name; raises ConfigError if there is none."""
    if name not in CONVENTIONS:
        raise ConfigError(f"no convention {name!r}; choose from {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]


def compute_metrics(convention: str, results: Iterable[SequenceResult], dataset: str = "") -> MetricSummary:
    """Measure the results of one tracker on one data set.

    Args:
        convention: name in `CONVENTIONS`.
        results: one per sequence, or one per anchor for "vot". They are read once, one after another.
        dataset: name of the data set, such as "lasot" or "uav123". "pytracking" has special rules for some of them.

    Raises:
        ConfigError: if the convention is unknown.
        DataError: if there are no results, a sequence comes twice, or a result breaks a rule of the convention.

    Example:
        >>> import numpy as np
        >>> from mixformer.evaluation import SequenceResult, compute_metrics
        >>> truth = np.array([[10.0, 20, 40, 30]] * 6)
        >>> summary = compute_metrics("pytracking", [SequenceResult("car-1", truth, truth)], dataset="nfs")
        >>> round(summary["auc"], 3)  # a perfect tracker: no IoU is above the last threshold, 1
        0.952
    """
    chosen = require_convention(convention)
    measured = chosen.measure(_each_once(results), dataset)
    return MetricSummary(convention, measured.values, measured.curves, measured.per_sequence, chosen.note)


def _each_once(results: Iterable[SequenceResult]) -> Iterator[SequenceResult]:
    seen: set[str] = set()
    for result in results:
        if result.name in seen:
            raise DataError(f"{result.name} was given twice; give each sequence once")
        seen.add(result.name)
        yield result
    if not seen:
        raise DataError("there are no sequences to measure; give at least one")
