"""Measure a model on annotated sequences under the pytracking convention.

    python tools/measure_val.py --data DIR [--model NAME_OR_FOLDER] [--engine E] [--precision P] [--json FILE]

DIR/sequences holds NAME/img/* and NAME/groundtruth.txt; `--split` takes those whose meta.json names it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from rich.console import Console

import mixformer
from mixformer.cli.bars import TaskBars
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.annotated_folders import read_sequences
from mixformer.evaluation import make_tables
from mixformer.evaluation.report.tables import to_markdown, to_terminal
from mixformer.weights.tracker_settings import load_tracker_config


def main() -> None:
    options = parse()
    sequences = read_sequences(options.data / "sequences", {"dev_use": options.split} if options.split else None)
    config = load_tracker_config(options.model).replace(**json.loads(options.settings))
    runtime = mixformer.Runtime(
        device="cpu", engine=options.engine, precision=options.precision, threads=options.threads
    )
    tracker = mixformer.Tracker(options.model, config, runtime=runtime)
    only = [name for name in options.sequences.split(",") if name]
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
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args()


if __name__ == "__main__":
    main()
