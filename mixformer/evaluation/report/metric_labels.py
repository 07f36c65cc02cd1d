"""Labels and number formats of metrics in tables and plots."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mixformer.evaluation.report.tables import Column, Kind

_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "auc": "AUC",
        "op50": "OP50",
        "op75": "OP75",
        "precision": "P",
        "norm_precision": "P norm",
        "ao": "AO",
        "sr50": "SR50",
        "sr75": "SR75",
        "eao": "EAO",
        "accuracy": "Accuracy",
        "robustness": "Robustness",
        "recall": "Recall",
        "f": "F",
        "best_f": "best F",
        "best_threshold": "its threshold",
        "threshold": "score threshold",
        "expected_overlap": "Expected overlap",
        "fps": "FPS",
        "calibration_error": "ECE",
        "nre": "NRE",
        "dre": "DRE",
        "adq": "ADQ",
        "maxgm": "MaxGM",
        "frames_to_lost": "lost after",
        "frames_to_find": "found after",
    }
)
_FRACTIONS = {"eao", "accuracy", "robustness"}  # the papers print these as they are
_COUNTS = {"fps", "frames_to_lost", "frames_to_find", "false_finds"}
_SETTINGS = {"threshold", "best_threshold"}  # neither good nor bad
_LOW_IS_GOOD = {
    "false_alarm",
    "calibration_error",
    "nre",
    "dre",
    "frames_to_lost",
    "frames_to_find",
    "false_finds",
}


def label(metric: str) -> str:
    """The label of a metric: "auc" is AUC; an unknown metric has spaces in place of underscores."""
    return _LABELS.get(metric, metric.replace("_", " "))


def column_of(metric: str, heading: str = "") -> Column:
    """The column of a metric, under its label or another heading."""
    heading = heading or label(metric)
    if metric in _SETTINGS:
        return Column(heading, "fraction")
    kind: Kind = "number" if metric in _COUNTS else "fraction" if metric in _FRACTIONS else "percent"
    return Column(heading, kind, "low" if metric in _LOW_IS_GOOD else "high")
