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
from mixformer.evaluation import make_tables, track_and_measure
from mixformer.evaluation.report.tables import to_markdown, to_terminal
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
    only = [name for name in options.sequences.split(",") if name]
    if options.starts > 1:
        several_starts(tracker, [each for each in sequences if not only or each.name in only], options)
        return
    with tempfile.TemporaryDirectory() as out, TaskBars(None, quiet=False) as bars:
        result = mixformer.evaluate(
            tracker,
            sequences,
            only=only,
            convention="pytracking",
            name=options.precision,
            out=out,
            progress=bars.listen,
        )
    tables = make_tables(result.comparisons["pytracking"])
    for name in ("sequences", "overall"):
        if options.markdown:
            print(to_markdown(tables[name]))
        else:
            to_terminal(tables[name], Console())
    if options.json:
        result.save(options.json)


def several_starts(tracker: mixformer.Tracker, sequences: list[VideoSequence], options: argparse.Namespace) -> None:
    """Track from several first boxes; print and write the AUC (in %) of each, their mean and standard deviation."""
    found = []
    for start in range(options.starts):
        moved = [moved_start(sequence, start) for sequence in sequences]
        auc = 100 * track_and_measure(tracker, moved, "pytracking")["auc"]
        found.append(round(auc, 1))
        print(f"start {start}: AUC {auc:.1f}", flush=True)
    mean, spread = statistics.mean(found), statistics.stdev(found)
    print(f"{options.starts} starts, {len(sequences)} sequences: mean AUC {mean:.1f}, one pass ± {spread:.1f}")
    if options.json:
        numbers = {"auc": found, "mean": round(mean, 2), "deviation": round(spread, 2)}
        options.json.write_text(json.dumps(numbers) + "\n")


def moved_start(sequence: VideoSequence, start: int) -> VideoSequence:
    """Return the sequence with another first box; start 0 has the annotated one."""
    random, boxes = np.random.default_rng(start), sequence.boxes.copy()
    sides = sequence.boxes[0, 2:]
    boxes[0, :2] += (start > 0) * random.uniform(-_MOVED, _MOVED, 2) * sides
    boxes[0, 2:] *= 1 + (start > 0) * random.uniform(-_MOVED, _MOVED, 2)
    return replace(sequence, boxes=boxes)


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
    return parser.parse_args()


if __name__ == "__main__":
    main()
