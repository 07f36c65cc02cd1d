"""Measure a model beside OpenCV's CSRT, KCF and NanoTrack v2: same machine, same run, same metrics.

    python tools/baselines.py --data DIR --opencv-python OPENCV_ENV/bin/python --out runs/baselines

CSRT and KCF are in opencv-contrib-python-headless, which may lie in an environment of its own (--opencv-python); it
runs as a child process. The trackers take turns sequence by sequence, so that other load hits all of them alike. Raw
results go to OUT/TRACKER/SPLIT, the tables to OUT/report; the same numbers come from

    mixformer report OUT --dataset SPLIT --root OUT/SPLIT.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.data.annotated_folders import read_sequences
from mixformer.data.sequence import VideoSequence
from mixformer.engines import Runtime
from mixformer.errors import DataError
from mixformer.evaluation import RawResult, TrackerLike, make_tables, run_tracker, write_report, write_result
from mixformer.evaluation.manifest import environment
from mixformer.evaluation.measuring import measure_results
from mixformer.evaluation.report.figures import require_matplotlib
from mixformer.evaluation.report.tables import to_markdown, to_terminal
from mixformer.evaluation.result_folders import ResultFolder
from mixformer.files import make_folder
from mixformer.tracking import TrackerFactory
from mixformer.weights.tracker_settings import load_tracker_config

CHILD = Path(__file__).with_name("opencv_trackers.py")
WARM_UP = 5  # frames tracked by each before anything is measured


def main() -> None:
    options = parse()
    if not options.no_plots:  # before the work
        require_matplotlib()
    sequences = read_sequences(options.data / "sequences", {"dev_use": options.split})
    make_folder(options.out)
    write_truth(options.out / f"{options.split}.json", sequences)
    runtime = Runtime("cpu", options.engine, options.precision, options.threads)
    plan = TrackerFactory(options.model, load_tracker_config(options.model), runtime)
    peers = OpenCV(options.opencv_python, options.data / "baselines", options.threads)
    names = [Path(options.model).name, *peers.trackers]
    folders = [ResultFolder(name, options.out / name / options.split) for name in names]
    load = [os.getloadavg()[0]]
    measure(plan(0), peers, sequences, folders)
    load.append(os.getloadavg()[0])
    peers.close()
    about = environment({"settings": plan.settings(), "opencv": peers.version, "load": load})
    (options.out / "machine.json").write_text(json.dumps(about, indent=1) + "\n")
    found = measure_results(options.split, folders, sequences, "pytracking")
    write_report(found, options.out / "report", plots=not options.no_plots)
    console = Console(soft_wrap=True, highlight=False)
    tables = make_tables(found)
    for table in (tables["sequences"], tables["overall"]):
        if options.markdown:
            console.print(to_markdown(table), markup=False)
        else:
            to_terminal(table, console)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name, folder or checkpoint file")
    parser.add_argument("--engine", default="auto", help="of the model; see docs/engines.md")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every tracker")
    parser.add_argument("--opencv-python", default=sys.executable, help="that has OpenCV; default: this one")
    parser.add_argument("--out", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args()


class OpenCV:
    """OpenCV's trackers in a process of their own, which may have another Python."""

    def __init__(self, python: str, nano: Path, threads: int) -> None:
        command = [python, str(CHILD), "--nano", str(nano), "--threads", str(threads)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = self._answer()
        self.version: str = told["opencv"]
        self.trackers: list[str] = told["trackers"]

    def follow(self, tracker: str, sequence: VideoSequence) -> RawResult:
        """Run one of OpenCV's trackers over a sequence; there are no scores."""
        asked = {"tracker": tracker, "frames": list(map(str, sequence.frames)), "box": list(sequence.box(0))}
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asked) + "\n")
        self._child.stdin.flush()
        told = self._answer()
        if "error" in told:
            raise DataError(f"{tracker}, {sequence.name}: {told['error']}")
        boxes = np.array(told["boxes"], np.float64)
        return RawResult(boxes, np.array(told["times"]))

    def close(self) -> None:
        """End the process."""
        self._child.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise DataError(f"the process with OpenCV ended with code {self._child.wait()}; is OpenCV in its Python?")
        told: dict[str, Any] = json.loads(line)
        return told


def measure(ours: TrackerLike, peers: OpenCV, sequences: list[VideoSequence], folders: list[ResultFolder]) -> None:
    """Every tracker on every sequence, in turns; each result is written as it comes."""
    first = sequences[0]
    short = VideoSequence(first.name, first.frames[:WARM_UP], first.boxes[:WARM_UP])
    for folder in folders:
        _run(folder.tracker, ours, peers, short)
    for sequence in track(sequences, "tracking", console=Console(stderr=True)):
        for folder in folders:
            found = _run(folder.tracker, ours, peers, sequence)
            write_result(folder.folder, sequence.name, found.boxes, found.times)


def _run(name: str, ours: TrackerLike, peers: OpenCV, sequence: VideoSequence) -> RawResult:
    return peers.follow(name, sequence) if name in peers.trackers else run_tracker(ours, sequence)


def write_truth(path: Path, sequences: list[VideoSequence]) -> None:
    """The measured sequences as a data set of one's own (docs/data.md), so that a report finds just these."""
    rows = [
        {
            "name": sequence.name,
            "frames": [str(Path(str(frame)).resolve()) for frame in sequence.frames],
            "boxes": [box if np.isfinite(box).all() else None for box in sequence.boxes.tolist()],
        }
        for sequence in sequences
    ]
    path.write_text(json.dumps({"sequences": rows}) + "\n")


if __name__ == "__main__":
    main()
