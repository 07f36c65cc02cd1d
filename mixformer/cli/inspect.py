"""`mixformer inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn

from mixformer.cli.bars import Bars
from mixformer.cli.console import make_console
from mixformer.cli.parser import (
    add_model,
    add_option,
    add_overwrite,
    add_quiet,
    add_source,
    runtime_from,
)

DESCRIPTION = """Show what the network looks at in one frame: attention of every block, and where the box comes from.

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


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    add_source(parser, "frame --start")
    query = (
        "places whose attention is drawn: target = mean over the predicted box, center = its middle, all = mean over "
        "all places (prediction tokens are always drawn one by one)"
    )
    stages = "stages of the network: auto = only the last one for MixCvT, all for other networks"
    add_option(parser, "--frame", int, "number of the frame to inspect, after --start", required=True)
    add_option(parser, "--out", Path, "new folder for the pictures", required=True)
    add_option(parser, "--start", int, "number of the frame that --box belongs to", 0)
    add_model(parser)
    add_option(parser, "--preset", str, "published tracker settings for a benchmark")
    add_option(parser, "--device", str, "auto, cpu, cuda, cuda:N or mps", "auto")
    add_option(parser, "--threads", int, "CPU threads; default: PyTorch's own number")
    add_option(parser, "--query", Literal["target", "center", "all"], query, "target")
    add_option(parser, "--stages", Literal["auto", "last", "all"], stages, "auto")
    add_overwrite(parser)
    add_quiet(parser)


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
    claim = claimed_folder(options.out, "inspection.npz", "folder of an inspection", options.overwrite)
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with claim, Bars(*columns, quiet=options.quiet) as progress:
        task = progress.add_task("tracking", total=max(options.frame - options.start, 0))
        seen = inspect_frame(
            options.source,
            box,
            options.frame,
            runtime=runtime_from(options),
            on_frame=lambda: progress.advance(task),
            **{name: options[name] for name in ("model", "preset", "start", "stages")},
        )
        progress.update(task, description="drawing")
        written = write_inspection(seen, options.out, options.query)
    console = make_console(quiet=options.quiet)
    for path in written:
        console.print(f"wrote {path.resolve()}")
