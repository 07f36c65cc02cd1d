"""`mixformer convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from mixformer.cli.parser import make_parser

_DESCRIPTION = """Turn an official checkpoint (.pth.tar) into a model folder, or a folder back into a checkpoint.

Nothing in the checkpoint is executed. The kind of model is read off the shapes of its weights.

  mixformer convert mixformerv2_small.pth.tar --out v2s
  mixformer track clip.mp4 --box 260 29 41 142 --model v2s
  mixformer convert v2s --out mixformerv2_small.pth.tar --to official
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("source", type=Path, help="official checkpoint, or a model folder or name")
    made.add_argument("--out", type=Path, required=True, help="folder to write (or, with --to official, a file)")
    made.add_argument("--to", type=Literal["mixformer", "official"], default="mixformer", help="layout to write")
    made.add_argument(
        "--precision", type=Literal["float32", "float16", "int8"], default="float32", help="of the stored weights"
    )
    made.add_argument(
        "--heads", type=int | None, default=None, help="attention heads of a checkpoint, if not its width / 64"
    )
    return made


def run(options: Namespace) -> None:
    """Convert."""
    from mixformer.weights.convert import convert

    report = convert(options.source, options.out, options.to, options.precision, heads=options.heads)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{report.config.name}: {report.tensors} tensors, {report.size / 1e6:.1f} MB")
    for path in report.files:
        console.print(f"wrote {path.resolve()}")
