"""Labels and number formats of metrics in tables and plots."""

from __future__ import annotations

from mixformer.evaluation.report.tables import Column, Kind

_UPPER_CASE = ("auc", "op50", "op75", "ao", "sr50", "sr75", "eao", "f", "fps", "nre", "dre", "adq")
_LABELS = {name: name.upper() for name in _UPPER_CASE} | {
    "precision": "P",
    "norm_precision": "P norm",
    "accuracy": "Accuracy",
    "robustness": "Robustness",
    "recall": "Recall",
    "best_f": "best F",
    "best_threshold": "its threshold",
    "threshold": "score threshold",
    "expected_overlap": "Expected overlap",
    "calibration_error": "ECE",
    "maxgm": "MaxGM",
    "frames_to_lost": "lost after",
    "frames_to_find": "found after",
    "fps_gpu": "GPU FPS",
    "fps_cpu": "CPU FPS",
    "params": "parameters [M]",
    "macs": "GMAC",
}
_FRACTIONS = {"eao", "accuracy", "robustness"}  # the papers print these as they are
_COUNTS = {"fps", "fps_gpu", "fps_cpu", "frames_to_lost", "frames_to_find", "false_finds"}
_SIZES = {"params", "macs"}
_SETTINGS = {"threshold", "best_threshold"}  # neither good nor bad
_LOW_IS_GOOD = {"false_alarm", "calibration_error", "nre", "dre", "frames_to_lost", "frames_to_find", "false_finds"}


def label(metric: str) -> str:
    """Return the label of a metric, such as AUC for "auc"; an unknown metric gets spaces for underscores."""
    return _LABELS.get(metric, metric.replace("_", " "))


def column_of(metric: str, heading: str = "") -> Column:
    """Make the column of a metric, under its label or another heading."""
    heading = heading or label(metric)
    if metric in _SETTINGS:
        return Column(heading, "fraction")
    if metric in _SIZES:
        return Column(heading, "hundredths", "low")
    kind: Kind = "number" if metric in _COUNTS else "fraction" if metric in _FRACTIONS else "percent"
    return Column(heading, kind, "low" if metric in _LOW_IS_GOOD else "high")
