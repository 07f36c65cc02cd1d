"""`mixformer convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_option, add_overwrite

DESCRIPTION = """Convert an official or mmtracking checkpoint into a model folder, or a folder back into a checkpoint.

No code in the checkpoint is executed. The shapes of the weights tell the kind of model.

  mixformer convert mixformerv2_small.pth.tar --out v2s
  mixformer track clip.mp4 --box 260 29 41 142 --model v2s
  mixformer convert v2s --out mixformerv2_small.pth.tar --to official

mmtracking runs the weights of MixCvT with the exact GELU, the official code with QuickGELU. Checkpoints
of both were trained with QuickGELU, so it is the default; --activation gelu reproduces mmtracking's numbers.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("source", type=Path, help="official checkpoint, or a model folder or name")
    layouts, precisions = Literal["mixformer", "official", "mmtracking"], Literal["float32", "float16", "int8"]
    side = "side of the crop in pixels of a MixCvT checkpoint, if not"
    activation = "activation of a MixCvT checkpoint; see above"
    add_option(made, "--out", Path, "folder to write; a file for other layouts", required=True)
    add_option(made, "--to", layouts, "layout to write", "mixformer")
    add_option(made, "--precision", precisions, "precision of the stored weights", "float32")
    add_option(made, "--heads", int, "attention heads of the checkpoint, if other than its width / 64")
    add_option(made, "--search-size", int, f"{side} 320")
    add_option(made, "--template-size", int, f"{side} 128")
    add_option(made, "--activation", Literal["quick_gelu", "gelu"], activation)
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Convert."""
    from mixformer.weights.conversion import convert

    names = ("heads", "search_size", "template_size", "activation")
    known = {name: options[name] for name in names if options[name] is not None}
    report = convert(
        options.source, options.out, options.to, options.precision, overrides=known, overwrite=options.overwrite
    )
    console = make_console()
    console.print(f"{report.config.name}: {report.tensors} tensors, {report.size / 1e6:.1f} MB")
    for path in report.files:
        console.print(f"wrote {path.resolve()}")
