"""Measure a model on the real validation sequences, next to CSRT, KCF and NanoTrack v2 on the same files.

python tools/measure_val.py --data ../shared/data [--model NAME_OR_FOLDER] [--engine E] [--precision P] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.annotated_folders import read_sequences
from mixformer.engines import Runtime, create_engine
from mixformer.evaluation.sequence_runner import Run, measure
from mixformer.weights.tracker_settings import load_tracker_config

PEERS = ("csrt", "kcf", "nano")


def main() -> None:
    options = parse()
    sequences = read_sequences(options.data / "sequences", options.split or None)
    if options.sequences:
        sequences = [s for s in sequences if s.name in options.sequences.split(",")]
    config = load_tracker_config(options.model).replace(**json.loads(options.settings))
    engine = create_engine(options.model, runtime=Runtime("cpu", options.engine, options.precision, options.threads))
    runs = measure(engine, config, sequences)
    done = list(track(runs, "tracking", len(sequences), console=Console(stderr=True)))
    peers = read_peers(options.data / "baselines" / "baselines.json", done)
    report(options.model, done, peers)
    if options.json:
        rows = {r.sequence.name: {"auc": r.success.auc, "mean_iou": r.success.mean_iou, "fps": r.fps} for r in done}
        mean = float(np.mean([r.success.auc for r in done]))
        content = {"model": options.model, "mean_auc": mean, "tracker": config.to_dict(), "sequences": rows}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--split", default="val", help="part of the data pack; empty: all there is")
    parser.add_argument("--sequences", default="", help="only these, separated by commas")
    parser.add_argument("--settings", default="{}", help="tracker settings to change, as JSON")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def read_peers(path: Path, runs: list[Run]) -> dict[str, dict[str, float]]:
    known = json.loads(path.read_text()) if path.is_file() else {}
    return {
        run.sequence.name: {peer: known.get(run.sequence.name, {}).get(peer, [np.nan])[0] for peer in PEERS}
        for run in runs
    }


def report(model: str, runs: list[Run], peers: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"success AUC (21 strict thresholds: a perfect tracker has 0.952), {model}")
    for column in ("sequence", "ours", "CSRT", "KCF", "NanoTrack v2", "score", "FPS"):
        table.add_column(column, justify="left" if column == "sequence" else "right")
    for run in runs:
        others = [f"{peers[run.sequence.name][peer]:.3f}" for peer in PEERS]
        score = f"{np.nanmean(run.scores):.2f}" if np.isfinite(run.scores).any() else "-"
        table.add_row(run.sequence.name, f"{run.success.auc:.3f}", *others, score, f"{run.fps:.0f}")
    means = [np.mean([run.success.auc for run in runs])]
    means += [np.mean([peers[run.sequence.name][peer] for run in runs]) for peer in PEERS]
    table.add_section()
    table.add_row("mean", *(f"{value:.3f}" for value in means), "", f"{np.median([run.fps for run in runs]):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
