"""`mixformer inspect`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_overwrite, add_source, make_parser, runtime_from
from mixformer.configs.variants import DEFAULT_MODEL

_DESCRIPTION = """Show what the network looks at in one frame: attention of every block, and where the box comes from.

Tracks the target from --start to the frame before --frame, then writes into the folder --out:
  crops.png             input of the network in frame --frame: templates and search region
  distributions.png     the four edge distributions (or the two corner maps) and the box
  attention_*_to_*.png  attention of every block, such as attention_search_to_template.png
  inspection.npz        all arrays

Needs PyTorch and matplotlib: pip install 'mixformer[torch,plots]'.

  mixformer inspect clip.mp4 --box 260 29 41 142 --frame 100 --out seen
  mixformer inspect clip.mp4 --box 260 29 41 142 --frame 100 --out seen --query center
  mixformer inspect clip.mp4 --box 260 29 41 142 --frame 9 --out seen --model mixcvt.pth.tar --stages all

docs/inspection.md explains the pictures.
"""


def parser() -> ArgumentParser:
    """Options of the command."""
    parser = make_parser(_DESCRIPTION)
    add_source(parser, "frame --start")
    parser.add_argument("--frame", type=int, required=True, help="number of the frame to inspect, after --start")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the pictures")
    parser.add_argument("--start", type=int, default=0, help="number of the frame that --box belongs to")
    parser.add_argument("--model", type=str, default=DEFAULT_MODEL, help="name, folder or checkpoint file of a model")
    parser.add_argument("--preset", type=str | None, default=None, help="published tracker settings for a benchmark")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads; default: PyTorch's own number")
    parser.add_argument(
        "--query",
        type=Literal["target", "center", "all"],
        default="target",
        help="places whose attention is drawn: target = mean over the predicted box, center = its middle, all = mean "
        "over all places (prediction tokens are always drawn one by one)",
    )
    parser.add_argument(
        "--stages",
        type=Literal["auto", "last", "all"],
        default="auto",
        help="stages of the network: auto = only the last one for MixCvT, all for other networks",
    )
    add_overwrite(parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def run(options: Namespace) -> None:
    """Track, inspect, write."""
    from mixformer.cli.ask import ask_box
    from mixformer.files.places import claimed_folder
    from mixformer.imaging.boxes import parse_box
    from mixformer.inspection import inspect_frame, write_inspection
    from mixformer.optional import load

    # Before the work, so that what is missing or cannot be written fails at once.
    load("matplotlib", "drawing an inspection")
    box = ask_box(options.source, options.start) if options.box is None else parse_box(options.box)
    names = ("model", "preset", "start", "stages")
    claim = claimed_folder(options.out, "inspection.npz", "folder of an inspection", options.overwrite)
    with claim, _progress(options.quiet) as progress:
        task = progress.add_task("tracking", total=max(options.frame - options.start, 0))
        seen = inspect_frame(
            options.source,
            box,
            options.frame,
            runtime=runtime_from(options),
            on_frame=lambda: progress.advance(task),
            **{name: options[name] for name in names},
        )
        progress.update(task, description="drawing")
        written = write_inspection(seen, options.out, options.query)
    console = make_console(quiet=options.quiet)
    for path in written:
        console.print(f"wrote {path.resolve()}")


def _progress(quiet: bool) -> Progress:
    silent = quiet or not sys.stderr.isatty()
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, console=Console(stderr=True, quiet=silent))
