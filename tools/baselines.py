"""Measure the included models beside OpenCV's trackers: same machine, same run, same metrics.

    python tools/baselines.py --data DIR --opencv-python OPENCV_ENV/bin/python --out runs/baselines

OpenCV may lie in an environment of its own (--opencv-python); it runs as a child process. The trackers take turns
sequence by sequence, so that other load hits all of them alike. A run that was interrupted goes on with the same
command: it tracks the sequences that a tracker lacks with all trackers.

Raw results go to OUT/TRACKER/SPLIT, tables to OUT/report; the same numbers come from

    mixformer report OUT --dataset SPLIT --root OUT/SPLIT.json

The report to keep goes to KEEP.json, KEEP.md and KEEP.png (--keep). Its speeds are ratios to the first tracker within
the run; `--absolute` adds frames a second, which mean something only on a machine that does nothing else.
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
from baselines_report import make_report, write_kept
from rich.console import Console
from rich.progress import track
from step_cost import cost_of

from mixformer.data.annotated_folders import read_sequences
from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.engines import Runtime
from mixformer.errors import DataError
from mixformer.evaluation import RawResult, TrackerLike, make_tables, run_tracker, write_report, write_result
from mixformer.evaluation.manifest import RunManifest
from mixformer.evaluation.measuring import measure_results
from mixformer.evaluation.report.figures import require_matplotlib
from mixformer.evaluation.report.tables import to_markdown, to_terminal
from mixformer.evaluation.result_folders import ResultFolder
from mixformer.files import make_folder, write_text
from mixformer.tracking import MultiTracker, TrackerFactory
from mixformer.weights import list_models
from mixformer.weights.tracker_settings import load_tracker_config

CHILD = Path(__file__).with_name("opencv_trackers.py")
WARM_UP = 5  # frames tracked by each before anything is measured
TARGETS = (1, 4, 16)  # numbers of targets whose cost is measured
COSTS = "costs.json"


def main() -> None:
    options = parse()
    if not options.no_plots:  # before the work
        require_matplotlib()
    sequences = cut(read_sequences(options.data / "sequences", {"dev_use": options.split}), options)
    make_folder(options.out)
    write_truth(options.out / f"{options.split}.json", sequences)
    plans = find_plans(options)
    peers = OpenCV(options.opencv_python, options.data / "baselines", options.threads, options.opencv_trackers)
    folders = [ResultFolder(name, options.out / name / options.split) for name in (*plans, *peers.trackers)]
    run = RunManifest.open(
        options.out,
        {
            "ours": {name: plan.settings() for name, plan in plans.items()},
            "opencv": {"version": peers.version, "trackers": peers.trackers},
            "frames": {each.name: len(each) for each in sequences},
        },
        {"missing": peers.missing},
        {options.split: [each.name for each in sequences]},
        overwrite=options.overwrite,
    )
    run.begin([options.out / COSTS, *(file for each in folders for file in each.folder.glob("*.txt"))])
    measure({name: plan(0) for name, plan in plans.items()}, peers, sequences, folders, run)
    costs = Costs(plans, peers, sequences[0], options.cost_frames).measure(options.out / COSTS, options.cost_rounds)
    peers.close()
    run.end()
    found = measure_results(options.split, folders, sequences, "pytracking")
    write_report(found, options.out / "report", plots=not options.no_plots)
    report = make_report(found, folders, costs, run.content, options.note, absolute=options.absolute)
    keep = options.keep or options.out / f"baselines-{report['date']}"
    write_kept(report, keep, plot=not options.no_plots)
    show(found, options.markdown)
    print(f"kept: {keep}.json, .md" + ("" if options.no_plots else ", .png"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--models", nargs="+", help="names, folders or checkpoint files; default: all included ones")
    parser.add_argument("--engine", default="auto", help="of the models; see docs/engines.md")
    parser.add_argument("--precisions", nargs="+", default=["auto", "float32"], help="each model runs in each")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every tracker")
    parser.add_argument("--opencv-python", default=sys.executable, help="that has OpenCV; default: this one")
    parser.add_argument("--opencv-trackers", nargs="*", help="only these; default: all there are")
    parser.add_argument("--sequences", type=int, help="only the first ones")
    parser.add_argument("--frames", type=int, help="of a sequence; default: all")
    parser.add_argument("--cost-rounds", type=int, default=5, help="in which the cost of several targets is measured")
    parser.add_argument("--cost-frames", type=int, default=12, help="of each tracker in each of them")
    parser.add_argument("--out", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--overwrite", action="store_true", help="begin again if OUT has a run of other settings")
    parser.add_argument("--keep", type=Path, help="name of the kept report, without ending; default: in OUT")
    parser.add_argument("--note", default="", help="about the machine or the run, for the kept report")
    parser.add_argument("--absolute", action="store_true", help="keep times too; only if nothing else runs here")
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args()


def cut(sequences: list[VideoSequence], options: argparse.Namespace) -> list[VideoSequence]:
    """Take the first sequences, and the first frames of each, if the options ask for fewer."""
    frames = options.frames
    return [
        VideoSequence(each.name, each.frames[:frames], each.boxes[:frames]) for each in sequences[: options.sequences]
    ]


def find_plans(options: argparse.Namespace) -> dict[str, TrackerFactory]:
    """Each model in each precision, under the precision that is meant; "auto" may be another word for one of them."""
    found = {}
    for model in options.models or [info.name for info in list_models() if info.available]:
        for precision in options.precisions:
            runtime = Runtime("cpu", options.engine, precision, options.threads)
            plan = TrackerFactory(model, load_tracker_config(model), runtime)
            found[f"{Path(model).name}, {plan.settings()['precision']}"] = plan
    return found


class OpenCV:
    """OpenCV's trackers in a process of their own, which may have another Python."""

    def __init__(self, python: str, networks: Path, threads: int, only: list[str] | None = None) -> None:
        command = [python, str(CHILD), "--networks", str(networks), "--threads", str(threads)]
        quiet = os.environ | {"OPENCV_LOG_LEVEL": "ERROR"}  # OpenCV 5 warns at every network it loads
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
        told = self._answer()
        self.version: str = told["opencv"]
        self.missing: dict[str, str] = told["missing"]
        if only is not None and (unknown := set(only) - set(told["trackers"])):
            self.close()
            raise DataError(f"this OpenCV has no {', '.join(sorted(unknown))}; it has {', '.join(told['trackers'])}")
        self.trackers: list[str] = [name for name in told["trackers"] if only is None or name in only]

    def follow(self, tracker: str, sequence: VideoSequence) -> RawResult:
        """Run one of OpenCV's trackers over a sequence; there are no scores."""
        told = self._ask({"tracker": tracker, "frames": files(sequence), "box": list(sequence.box(0))})
        return RawResult(np.array(told["boxes"], np.float64), np.array(told["times"]))

    def cost(self, tracker: str, sequence: VideoSequence, boxes: list[list[float]]) -> dict[str, float | None]:
        """Measure a frame with one tracker for each box."""
        return self._ask({"tracker": tracker, "frames": files(sequence), "boxes": boxes})

    def close(self) -> None:
        """End the process."""
        self._child.communicate()

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asked) + "\n")
        self._child.stdin.flush()
        told = self._answer()
        if "error" in told:
            raise DataError(f"{asked['tracker']}, {asked['frames'][0]}: {told['error']}")
        return told

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise DataError(f"the process with OpenCV ended with code {self._child.wait()}; is OpenCV in its Python?")
        told: dict[str, Any] = json.loads(line)
        return told


def files(sequence: VideoSequence) -> list[str]:
    return list(map(str, sequence.frames))


def measure(
    ours: dict[str, TrackerLike],
    peers: OpenCV,
    sequences: list[VideoSequence],
    folders: list[ResultFolder],
    run: RunManifest,
) -> None:
    """Every tracker on every sequence, in turns, each sequence begun by another; results are written as they come."""

    def follow(name: str, sequence: VideoSequence) -> RawResult:
        return run_tracker(ours[name], sequence) if name in ours else peers.follow(name, sequence)

    left = [each for each in sequences if not all(folder.side_file(each.name, "time") for folder in folders)]
    for folder in folders if left else ():
        follow(folder.tracker, VideoSequence(left[0].name, left[0].frames[:WARM_UP], left[0].boxes[:WARM_UP]))
    for number, sequence in enumerate(track(left, "tracking", console=Console(stderr=True))):
        first = number % len(folders)
        for folder in folders[first:] + folders[:first]:
            found = follow(folder.tracker, sequence)
            write_result(folder.folder, sequence.name, found.boxes, found.times)
        run.content.setdefault("loads", []).append(round(os.getloadavg()[0], 2))
        run.finished(sequence.name, len(sequence), None)


class Costs:
    """The cost of a frame with several targets. All of them follow one object, since a lost target takes another time.

    Our targets are located in one call, those of OpenCV's trackers one after the other, as users do it.
    """

    def __init__(self, plans: dict[str, TrackerFactory], peers: OpenCV, sequence: VideoSequence, frames: int) -> None:
        end = frames + 1  # the targets begin in the first one
        self._sequence = VideoSequence(sequence.name, sequence.frames[:end], sequence.boxes[:end])
        self._images = [read_frame(frame) for frame in self._sequence.frames]
        self._ours = {name: MultiTracker(plan.model, plan.config, runtime=plan.runtime) for name, plan in plans.items()}
        self._peers = peers

    def measure(self, path: Path, rounds: int) -> list[dict[str, Any]]:
        """Measure in rounds, in each of which every tracker has its turns; the rounds in the file are done already."""
        found: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
        done = max((each["round"] for each in found), default=0)
        names = [*self._ours, *self._peers.trackers]
        for name in names if done < rounds else ():
            self._once(name, 1)  # warms up
        for number in track(range(done + 1, rounds + 1), "cost of targets", console=Console(stderr=True)):
            found += [
                {"round": number, "tracker": name, "targets": targets, **self._once(name, targets)}
                for targets in TARGETS
                for name in names
            ]
            write_text(path, json.dumps(found, indent=1) + "\n")
        return found

    def _once(self, name: str, targets: int) -> dict[str, float | None]:
        left, top, *size = self._sequence.box(0)
        boxes = [[left + number % 4, top + number % 4, *size] for number in range(targets)]
        if name not in self._ours:
            return self._peers.cost(name, self._sequence, boxes)
        tracker = self._ours[name]
        for box in boxes:
            tracker.add(self._images[0], box)
        cost = cost_of(tracker.update, self._images[1:])
        for id in tracker.ids:
            tracker.remove(id)
        return cost


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


def show(found: Any, markdown: bool) -> None:
    console = Console(soft_wrap=True, highlight=False)
    tables = make_tables(found)
    for table in (tables["sequences"], tables["overall"]):
        if markdown:
            console.print(to_markdown(table), markup=False)
        else:
            to_terminal(table, console)


if __name__ == "__main__":
    main()
