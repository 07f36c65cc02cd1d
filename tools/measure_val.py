"""Measure a model on annotated sequences under the pytracking convention.

    python tools/measure_val.py --data DIR [--model NAME_OR_FOLDER] [--engine E] [--precision P] [--json FILE]

DIR/sequences holds NAME/img/* and NAME/groundtruth.txt; `--split` takes those whose meta.json names it.

Where a target is nearly lost, the last digits decide, so one pass over a few sequences says little: `--starts 6` tracks
six times from first boxes that are moved and scaled by up to two percent, and prints the mean and its spread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

import mixformer
from mixformer.cli.bars import TaskBars
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data import VideoSequence
from mixformer.data.annotated_folders import read_sequences
from mixformer.evaluation import EvaluationResult, make_tables
from mixformer.evaluation.report.tables import to_markdown, to_terminal
from mixformer.files import write_text
from mixformer.weights.tracker_settings import load_tracker_config

_MOVED = 0.02  # largest change of a first box, in its width and height


def main() -> None:
    options = parse()
    sequences = read_sequences(options.data / "sequences", {"dev_use": options.split} if options.split else None)
    config = load_tracker_config(options.model).replace(**json.loads(options.settings))
    runtime = mixformer.Runtime(
        device="cpu", engine=options.engine, precision=options.precision, threads=options.threads
    )
    tracker = mixformer.Tracker(options.model, config, runtime=runtime)
    results = [measured(tracker, moved_start(sequences, start), options) for start in range(options.starts)]
    if options.starts > 1:
        show_spread([100 * result.summary["auc"] for result in results], options.json)
        return
    tables = make_tables(results[0].comparisons["pytracking"])
    for name in ("sequences", "overall"):
        if options.markdown:
            print(to_markdown(tables[name]))
        else:
            to_terminal(tables[name], Console())
    if options.json:
        results[0].save(options.json)


def measured(
    tracker: mixformer.Tracker, sequences: list[VideoSequence], options: argparse.Namespace
) -> EvaluationResult:
    """Track and measure the sequences once."""
    with tempfile.TemporaryDirectory() as out, TaskBars(None, quiet=False) as bars:
        return mixformer.evaluate(
            tracker,
            sequences,
            only=[name for name in options.sequences.split(",") if name],
            convention="pytracking",
            name=options.precision,
            out=out,
            progress=bars.listen,
        )


def show_spread(found: list[float], file: Path | None) -> None:
    """Print, and write, the AUC (in %) of each pass, their mean and standard deviation."""
    mean, spread = statistics.mean(found), statistics.stdev(found)
    print(f"AUC of each start: {', '.join(f'{auc:.1f}' for auc in found)}")
    print(f"mean AUC {mean:.1f}, one pass ± {spread:.1f}")
    if file:
        numbers = {"auc": [round(auc, 1) for auc in found], "mean": round(mean, 2), "deviation": round(spread, 2)}
        write_text(file, json.dumps(numbers) + "\n")


def moved_start(sequences: list[VideoSequence], start: int) -> list[VideoSequence]:
    """Return the sequences with other first boxes; start 0 has the annotated ones."""
    if start == 0:
        return sequences
    moved = []
    for sequence in sequences:
        random, boxes = np.random.default_rng(start), sequence.boxes.copy()
        boxes[0, :2] += random.uniform(-_MOVED, _MOVED, 2) * boxes[0, 2:]
        boxes[0, 2:] *= 1 + random.uniform(-_MOVED, _MOVED, 2)
        moved.append(replace(sequence, boxes=boxes))
    return moved


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--split", default="val", help="split of the data; empty: all sequences")
    parser.add_argument("--sequences", default="", help="only these, separated by commas")
    parser.add_argument("--settings", default="{}", help="tracker settings to change, as JSON")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--starts", type=int, default=1, help="passes, each from another first box")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    options = parser.parse_args()
    if options.starts < 1:
        parser.error("--starts must be at least 1")
    return options


if __name__ == "__main__":
    main()
