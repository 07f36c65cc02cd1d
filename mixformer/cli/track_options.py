"""Options of `mixformer track`, `mixformer track-all` and `mixformer demo`, and the values made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.executor_options import add_executor
from mixformer.cli.parser import (
    add_flag,
    add_model,
    add_option,
    add_overwrite,
    add_quiet,
    add_runtime,
    add_source,
    make_parser,
    runtime_from,
)
from mixformer.cli.settings_options import add_settings, changed_settings
from mixformer.errors import BoxError, ConfigError, OutputError
from mixformer.files.places import require_free, require_unclaimed
from mixformer.video.output_formats import OUTPUT_FORMATS

if TYPE_CHECKING:
    from mixformer.tracking import MultiTracker, TrackerFactory
    from mixformer.video import Target

_TRACK = """Track one target or several through a video, a folder of pictures, a webcam or a stream.

A box is x, y, width, height in pixels, counted from 0 at the top left. Frames count from 0.

Without --out, --json, --csv and --mot, the annotated video goes to NAME_tracked.mp4 in the current
folder, or to NAME_tracked_2.mp4 and so on if that exists. The command never replaces a result that
you name, unless you add --overwrite. While it runs, the results are in NAME.partial.ENDING, valid at
any time. After Ctrl-C, SIGTERM or an error they get their final names, unless a file has that name.
The same command then resumes (docs/results.md). To track several videos, use mixformer track-all.

  mixformer track clip.mp4 --box 260 29 41 142
  mixformer track frames/ --box 260 29 41 142 --out annotated.mp4 --json boxes.jsonl
  mixformer track clip.mp4 --start 100 --box 260 29 41 142 --csv boxes.csv
  mixformer track rtsp://camera/stream --box 260 29 41 142 --show
  mixformer track clip.mp4 --box 260 29 41 142 --masks masks/
  mixformer track clip.mp4 --targets targets.csv --mot boxes.txt       (lines: frame,id,x,y,w,h)
  mixformer track clip.mp4 --targets corrected.csv --both-ways --json boxes.jsonl
"""
_ALL = """Track targets through many videos. Running the command again resumes an interrupted run.

JOBS is a CSV file with a header, or a JSON list. Its columns are source; box ("x y w h") or targets (a file as for
mixformer track --targets); and, optionally, start, stop and name. Paths are relative to the file. The results of a
video go to OUT/NAME/, with done.json when they are complete. Earlier results that are incomplete or have other
settings are replaced when the new ones are complete. A video that fails does not stop the others. The exit code is
then 1, or 4 if every failure was a result that could not be written.

  mixformer track-all jobs.csv --out tracked
  mixformer track-all jobs.csv --out tracked --write json video --workers 4
  mixformer track-all jobs.csv --out /data/tracked --executor ray --workers 32 --gpus 0.25
"""
_DEMO = """Track the person in the orange shirt in the bundled clip, and print the path of the annotated video.

  mixformer demo
  mixformer demo --json boxes.jsonl --out demo.mp4
"""


def track_parser() -> ArgumentParser:
    """Make the parser of `mixformer track`."""
    parser = make_parser(_TRACK)
    add_source(parser, "the first frame")
    targets = (
        "file of several targets: CSV or text with lines x,y,w,h or frame,id,x,y,w,h or frame,id,x,y,w,h,stop, or "
        "JSON (docs/many.md). Every result then has the id of its target. Several lines of one id correct its track: "
        "each applies from its frame to the frame of the next line. A line without a box means that the target is "
        "absent from that frame on (docs/annotation.md)"
    )
    add_option(parser, "--targets", Path, targets, metavar="FILE")
    add_flag(parser, "--backward", "track backward in time from each box, also to frames before --start")
    add_flag(parser, "--both-ways", "track forward and backward from each box, and join both tracks between two boxes")
    add_option(parser, "--start", int, "number of the first frame, which --box belongs to", 0)
    add_option(parser, "--stop", int, "number after the last frame")
    _add_live(parser)
    add_flag(parser, "--show", "show the frames in a window while tracking")
    _add_model_and_outputs(parser)
    return parser


def all_parser() -> ArgumentParser:
    """Make the parser of `mixformer track-all`."""
    parser = make_parser(_ALL)
    parser.add_argument("jobs", type=Path, help="CSV or JSON file of videos and targets")
    add_option(parser, "--out", Path, "folder for all results", Path("tracked"))
    kinds = ", ".join(f"{each.name} ({each.file_name})" for each in OUTPUT_FORMATS.values())
    add_option(parser, "--write", str, f"files to write for each video: {kinds}", ["json"], nargs="+", metavar="KIND")
    _add_live(parser)
    where = parser.add_argument_group("where it runs")
    concurrent = "number of videos to track at a time in this process; their targets form one batch"
    add_option(where, "--concurrent-videos", int, concurrent, 4)
    add_executor(where, 0, "worker processes, each with its own model and one video at a time; 0: in this process")
    add_model(parser)
    add_runtime(parser)
    add_settings(parser)
    return parser


def demo_parser() -> ArgumentParser:
    """Make the parser of `mixformer demo`."""
    parser = make_parser(_DEMO)
    _add_model_and_outputs(parser)
    return parser


def _add_live(parser: ArgumentParser) -> None:
    wait = "seconds to wait until a camera or an address opens, and for each frame"
    busy = "skip the frames that arrive while the tracker is busy"
    add_option(parser, "--timeout", float, wait, 10.0)
    add_flag(parser, "--every-frame", f"track every frame of a camera or stream, however late; default: {busy}")


def _add_model_and_outputs(parser: ArgumentParser) -> None:
    add_model(parser)
    add_runtime(parser)
    for each in OUTPUT_FORMATS.values():
        add_option(parser, f"--{each.option or each.name}", Path, each.help, metavar="PATH")
    pipeline = "read, track, draw and write one frame after the other; slower, with the same results"
    add_flag(parser, "--no-pipeline", pipeline)
    add_overwrite(parser)
    add_quiet(parser)
    add_settings(parser)


def targets_of(options: Namespace) -> list[Target]:
    """Return the targets to track.

    Raises BoxError if there are none, or one cannot be tracked, and ConfigError if they are given twice.
    """
    from mixformer.cli.ask import ask_box
    from mixformer.imaging import parse_box
    from mixformer.video import Target, read_targets

    if options.targets is None:
        box = ask_box(options.source, options.start) if options.box is None else parse_box(options.box)
        return [Target(1, box, options.start)]
    if options.box is not None:
        raise ConfigError("--box and --targets both name targets; give one of them, or put the box into the file too")
    targets = read_targets(options.targets, options.start)
    for target in targets:
        if target.start < options.start:
            raise BoxError(f"{target.where}: the target begins in frame {target.start}, before --start {options.start}")
    return targets


def outputs_from(options: Namespace, source: str, goes_on: Callable[[Mapping[str, Path]], bool]) -> dict[str, Path]:
    """Return the path of each output that the options ask for.

    Without boxes and video, the annotated video of `source` goes to the current folder, under a name that is free, or
    that the same command was interrupted with (`goes_on`).
    """
    outputs = {name: options[each.key] for name, each in OUTPUT_FORMATS.items() if options[each.key] is not None}
    if not set(outputs) - {"masks"}:
        name = Path(source.split("://")[-1].rstrip("/\\")).stem or "video"
        for number in count(1):
            path = Path(f"{name}_tracked.mp4" if number == 1 else f"{name}_tracked_{number}.mp4")
            if _is_free(path, options.overwrite or goes_on({**outputs, "video": path})):
                return {**outputs, "video": path}
    return outputs


def _is_free(path: Path, overwrite: bool) -> bool:
    """Tell whether no result has the name, and no other process writes it just now."""
    try:
        require_unclaimed(path)
        if not overwrite:
            require_free(path)
    except OutputError:
        return False
    return True


def tracker_factory(options: Namespace) -> TrackerFactory:
    """Make the recipe of the tracker of these options; its `settings` tell it from others."""
    from mixformer.tracking.factory import TrackerFactory, rules_for

    config = rules_for(options.model, options.preset or "none", "").replace(**changed_settings(options))
    return TrackerFactory(options.model, config, runtime_from(options))


def make_tracker(options: Namespace) -> MultiTracker:
    """Make the tracker, with the settings of the model or the preset and the changes of the options."""
    from mixformer.tracking import MultiTracker

    runtime = runtime_from(options)
    tracker = MultiTracker(options.model, preset=options.preset, runtime=runtime, on_resize="rescale")
    tracker.config = tracker.config.replace(**changed_settings(options))
    return tracker
