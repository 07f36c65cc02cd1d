"""Options of `mixformer track`, `mixformer track-all` and `mixformer demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from mixformer.cli.parser import add_runtime, add_source, make_parser
from mixformer.configs.presets import DEFAULT_TRACKERS, PRESETS
from mixformer.configs.variants import DEFAULT_MODEL

_TRACK = """Follow objects through a video, a folder of pictures, a webcam or a stream.

Without --out, --json, --csv and --mot, the annotated video goes to NAME_tracked.mp4 in the
current folder. Boxes are x, y, width, height in pixels, counted from 0 at the top left; frames
count from 0. Several videos: mixformer track-all.

  mixformer track clip.mp4 --box 260 29 41 142
  mixformer track frames/ --box 260 29 41 142 --out annotated.mp4 --json boxes.jsonl
  mixformer track clip.mp4 --start 100 --box 260 29 41 142 --csv boxes.csv
  mixformer track rtsp://camera/stream --box 260 29 41 142 --show
  mixformer track clip.mp4 --box 260 29 41 142 --masks masks/
  mixformer track clip.mp4 --targets targets.csv --mot boxes.txt       (lines: frame,id,x,y,w,h)
"""
_ALL = """Follow objects through many videos, several at once; the same command goes on where a stopped run was.

JOBS is a CSV file with a header, or JSON: source; box ("x y w h") or boxes (a file as for mixformer track --targets);
and, if wanted, start, stop and name. Paths are relative to the file itself. The results of a video go to OUT/NAME/,
with done.json when they are complete. A video that fails does not stop the others; the exit code is then 1.

  mixformer track-all jobs.csv --out tracked
  mixformer track-all jobs.csv --out tracked --write json video --workers 4
  mixformer track-all jobs.csv --out /shared/tracked --executor ray --workers 32 --gpus 0.25
"""
_DEMO = """Track the person in the orange shirt in the bundled clip, and print where the annotated video is."""


def track_parser() -> ArgumentParser:
    """Options of `mixformer track`."""
    parser = make_parser(_TRACK)
    add_source(parser, "the first frame")
    parser.add_argument(
        "--targets",
        type=Path | None,
        default=None,
        metavar="FILE",
        help="several targets: CSV or text with lines x,y,w,h or frame,id,x,y,w,h or frame,id,x,y,w,h,stop, or JSON "
        "(docs/many.md); results then say which target",
    )
    parser.add_argument("--start", type=int, default=0, help="number of the first frame, which --box belongs to")
    parser.add_argument("--stop", type=int | None, default=None, help="number after the last frame")
    parser.add_argument("--show", action="store_true", help="show the frames in a window while tracking")
    _add_model(parser)
    _add_outputs(parser)
    _add_rules(parser)
    return parser


def all_parser() -> ArgumentParser:
    """Options of `mixformer track-all`."""
    parser = make_parser(_ALL)
    parser.add_argument("jobs", type=Path, help="CSV or JSON file of videos and targets")
    parser.add_argument("--out", type=Path, default=Path("tracked"), help="folder of all results")
    parser.add_argument(
        "--write",
        type=str,
        nargs="+",
        default=["json"],
        metavar="KIND",
        help="what to write of each video: json (boxes.jsonl), csv (boxes.csv), mot (boxes.txt), video "
        "(annotated.mp4), masks (masks/)",
    )
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "--concurrent-videos", type=int, default=4, help="videos at a time in this process, their targets in one batch"
    )
    where.add_argument(
        "--workers", type=int, default=0, help="processes with a model each, one video at a time; 0: this process"
    )
    where.add_argument(
        "--executor",
        type=Literal["local", "ray"],
        default="local",
        help="ray: the workers are on a Ray cluster. Needs: pip install 'mixformer[ray]'",
    )
    where.add_argument(
        "--address", type=str | None, default=None, help="of the Ray cluster; default: RAY_ADDRESS, else this machine"
    )
    where.add_argument("--gpus", type=float, default=0.0, help="GPUs that a Ray worker takes; 0.5: two on one")
    _add_model(parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    _add_rules(parser)
    return parser


def demo_parser() -> ArgumentParser:
    """Options of `mixformer demo`."""
    parser = make_parser(_DEMO)
    _add_model(parser)
    _add_outputs(parser)
    _add_rules(parser)
    return parser


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument("--model", type=str, default=DEFAULT_MODEL, help="name, folder or checkpoint file of a model")
    add_runtime(parser)


def _add_outputs(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path | None, default=None, help="annotated video (sound is kept), or a folder name for PNG files"
    )
    parser.add_argument(
        "--json",
        type=Path | None,
        default=None,
        help="boxes as JSON lines: frame, time, box, score; with --targets also id",
    )
    parser.add_argument("--csv", type=Path | None, default=None, help="boxes as CSV with a header")
    parser.add_argument("--mot", type=Path | None, default=None, help="boxes as MOTChallenge text (counted from 1)")
    parser.add_argument(
        "--masks",
        type=Path | None,
        default=None,
        metavar="FOLDER",
        help="also find the targets' pixels in every box by their colors (GrabCut) and write FOLDER/00000000.png and "
        "so on, numbered like the frames: 255 on the target, 0 elsewhere; with --targets in FOLDER/ID. The "
        "annotated video shows them tinted. Slow: some 10 frames a second. Needs: pip install 'mixformer[masks]'",
    )
    parser.add_argument(
        "--no-pipeline",
        action="store_true",
        help="do not track, draw and write different frames at the same time; the results are the same, it is slower",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_rules(parser: ArgumentParser) -> None:
    rules = parser.add_argument_group("inference rules (the defaults come with the model)")
    presets = ", ".join(sorted({entry.benchmark for entry in PRESETS}))
    rules.add_argument("--preset", type=str | None, default=None, help=f"published settings for a benchmark: {presets}")
    default = DEFAULT_TRACKERS[DEFAULT_MODEL]
    rules.add_argument(
        "--search-factor",
        type=float | None,
        default=None,
        help="reach of the search in units of the target's size; larger follows faster motion "
        f"(default model: {default.search_factor})",
    )
    rules.add_argument(
        "--update-interval",
        type=int | None,
        default=None,
        help=f"frames between template updates, 0 = never (default model: {default.update_interval})",
    )
    rules.add_argument("--online-templates", type=int | None, default=None, help="number of online templates kept")
    rules.add_argument(
        "--score-threshold", type=float | None, default=None, help="least score (0..1) of a new template"
    )
