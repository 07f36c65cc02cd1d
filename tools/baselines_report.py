"""The report that `tools/baselines.py` keeps: numbers with intervals, as JSON, Markdown and a plot.

Every mean over sequences has a 95 % interval by the bootstrap. Every tracker is compared with the first one by its
differences on the same sequences; one whose interval holds 0 is within noise. Speed is the geometric mean over the
sequences of the first tracker's time for a frame by the tracker's own, measured in turns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mixformer.bench.schema import describe_machine
from mixformer.evaluation import Comparison, mean_interval
from mixformer.evaluation.result_files import read_column
from mixformer.evaluation.result_folders import ResultFolder
from mixformer.files import make_folder, write_text

FORMAT = 1
METRICS = {"auc": "AUC", "precision": "precision", "norm_precision": "normalized precision"}
NO_ENERGY = "The machine does not tell the energy that its processor uses."


def make_report(
    found: Comparison,
    folders: Sequence[ResultFolder],
    costs: list[dict[str, Any]],
    run: dict[str, Any],
    note: str = "",
    *,
    absolute: bool = False,
) -> dict[str, Any]:
    """Put all numbers of a run together; without `absolute`, times only as ratios to those of the first tracker."""
    names = [each.name for each in found.sequences]
    settings = run["settings"]
    first = found.entries[0].tracker
    seconds = {each.tracker: seconds_per_frame(each, names) for each in folders}
    values = {
        each.tracker: {metric: [each.value(name, metric) for name in names] for metric in METRICS}
        for each in found.entries
    }
    trackers = []
    for entry in found.entries:
        name = entry.tracker
        row: dict[str, Any] = {"name": name, "ours": name in settings["ours"]}
        for metric in METRICS:
            row[metric] = with_interval(100 * np.array(values[name][metric], float))
        if name != first:
            apart = np.array(values[name]["auc"], float) - np.array(values[first]["auc"], float)
            row["auc_from_first"] = in_words(with_interval(100 * apart), "ahead", "behind")
        # Times are compared in logarithms, in which twice as fast and half as fast are equally far from 1.
        speed = with_interval(np.log(seconds[first] / seconds[name]))
        row["speed"] = in_words({key: math.exp(value) for key, value in speed.items()}, "faster", "slower", 1.0)
        if absolute:
            row["fps"] = float(1 / seconds[name].mean())
        row["auc_by_sequence"] = dict(zip(names, values[name]["auc"], strict=True))
        row["cost"] = costs_of(name, first, costs, absolute)
        trackers.append(row)
    return {
        "format": FORMAT,
        "date": run["started"][:10],
        "note": note,
        "machine": describe_machine().to_dict() | {"packages": {**run["environment"]["packages"]}},
        "opencv": settings["opencv"]["version"],
        "threads": next(iter(settings["ours"].values()))["threads"],
        "load": {"cores": run["environment"]["processors"], "median": median(run.get("loads") or [math.nan])},
        "absolute": absolute,
        "convention": found.entries[0].summary.convention,
        "split": found.dataset,
        "frames": {name: settings["frames"][name] for name in names},
        "engines": {name: f"{each['engine']} {each['precision']}" for name, each in settings["ours"].items()},
        "weights": {name: each["weights"] for name, each in settings["ours"].items()},
        "missing": run["environment"].get("missing", {}),
        "energy": None if any(row["cost"]["1"]["joules"] is not None for row in trackers) else NO_ENERGY,
        "trackers": trackers,
    }


def seconds_per_frame(folder: ResultFolder, names: Sequence[str]) -> np.ndarray:
    """Mean seconds of an update on each sequence; the first frame, where the tracker begins, does not count."""
    found = []
    for name in names:
        path = folder.side_file(name, "time")
        assert path is not None  # a result without times is none of ours
        found.append(read_column(path)[1:].mean())
    return np.array(found)


def with_interval(values: np.ndarray) -> dict[str, float]:
    """The mean, and its interval if there are two values or more."""
    ends = mean_interval(values.tolist())
    return {"mean": float(values.mean())} | ({} if ends is None else {"low": ends[0], "high": ends[1]})


def in_words(found: dict[str, float], above: str, below: str, nothing: float = 0.0) -> dict[str, Any]:
    """Add what can be concluded: above or below nothing, or within noise."""
    words = "not known: one sequence"
    if "low" in found:
        words = above if found["low"] > nothing else below if found["high"] < nothing else "within noise"
    return {**found, "words": words}


def costs_of(name: str, first: str, costs: list[dict[str, Any]], absolute: bool) -> dict[str, Any]:
    """Cost of a frame by number of targets: medians over rounds, of ratios to the first tracker with one target."""
    unit = {each["round"]: each for each in costs if each["tracker"] == first and each["targets"] == 1}
    found = {}
    for targets in sorted({each["targets"] for each in costs}):
        rows = [each for each in costs if each["tracker"] == name and each["targets"] == targets]
        entry: dict[str, Any] = {
            f"{key}_ratio": median(each[key] / unit[each["round"]][key] for each in rows) for key in ("wall", "cpu")
        }
        told = [each["joules"] for each in rows if each["joules"] is not None]
        entry["joules"] = median(told) if told else None
        if absolute:
            entry |= {f"{key}_ms": 1000 * median(each[key] for each in rows) for key in ("wall", "cpu")}
        found[str(targets)] = entry
    return found


def to_text(report: dict[str, Any]) -> str:
    """Write a report as Markdown."""
    first, *_ = report["trackers"]
    frames = sum(report["frames"].values())
    load = report["load"]
    lines = [
        f"# Baselines, {report['date']}",
        "",
        *([report["note"], ""] if report["note"] else []),
        f"{len(report['frames'])} sequences of `{report['split']}`, {frames:,} frames, convention "
        f"`{report['convention']}`. {report['machine']['processor']}, {load['cores']} cores, {report['threads']} "
        f"{'thread' if report['threads'] == 1 else 'threads'} for each tracker, median load {load['median']:.1f} with "
        f"this run. OpenCV {report['opencv']}. The trackers took turns, sequence by sequence.",
        "",
        f"| tracker | AUC (95 % interval) | precision | normalized precision | AUC beside {first['name']} | speed |"
        + (" FPS |" if report["absolute"] else ""),
        "|---|---|---:|---:|---|---|" + ("---:|" if report["absolute"] else ""),
    ]
    for row in report["trackers"]:
        apart = row.get("auc_from_first")
        cells = [
            row["name"],
            span(row["auc"], "{:.1f}"),
            f"{row['precision']['mean']:.1f}",
            f"{row['norm_precision']['mean']:.1f}",
            f"{span(apart, '{:+.1f}')}: {apart['words']}" if apart else "",
            span(row["speed"], "{:.2f}") if apart else "1",
            *([f"{row['fps']:.0f}"] if report["absolute"] else []),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Intervals are those of the bootstrap over sequences. Speed: how many times as fast as {first['name']} "
        f"({report['engines'][first['name']]}); geometric mean over the sequences.",
        "",
        "## Cost of several targets",
        "",
        *cost_lines(report),
        "",
        report["energy"] or "Joules are those of the whole processor, others' work included.",
    ]
    if report["missing"]:
        told = "; ".join(f"{name} ({reason})" for name, reason in report["missing"].items())
        lines += ["", f"Not measured: {told}."]
    return "\n".join(lines) + "\n"


def cost_lines(report: dict[str, Any]) -> list[str]:
    first, *_ = report["trackers"]
    numbers = list(first["cost"])
    energy = report["energy"] is None
    columns = [f"{number} {'target' if number == '1' else 'targets'}" for number in numbers]
    lines = [
        f"A frame by number of targets, in frames of {first['name']} with one target: time, and processor time in "
        "parentheses. Processor time is that of the tracker's process, so it hardly depends on what else runs. Medians "
        "of rounds in turns.",
        "",
        f"| tracker | {' | '.join(columns)} |" + (" J a frame, one target |" if energy else ""),
        "|---|" + "---:|" * (len(columns) + energy),
    ]
    for row in report["trackers"]:
        cells = [f"{each['wall_ratio']:.2f} ({each['cpu_ratio']:.2f})" for each in row["cost"].values()]
        if energy:
            cells.append(f"{row['cost']['1']['joules']:.3f}")
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    return lines


def span(found: dict[str, Any], form: str) -> str:
    ends = f" ({form.format(found['low'])} to {form.format(found['high'])})" if "low" in found else ""
    return form.format(found["mean"]) + ends


def write_kept(report: dict[str, Any], stem: Path, *, plot: bool = True) -> None:
    """Write STEM.json, STEM.md and STEM.png."""
    make_folder(stem.parent)
    write_text(stem.parent / f"{stem.name}.json", json.dumps(report, indent=1) + "\n")
    write_text(stem.parent / f"{stem.name}.md", to_text(report))
    if plot:
        from accuracy_plot import draw

        draw(report, stem.parent / f"{stem.name}.png")
