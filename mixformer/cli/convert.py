"""`mixformer convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.console import make_console
from mixformer.cli.parser import add_overwrite, make_parser

_DESCRIPTION = """Convert an official or mmtracking checkpoint into a model folder, or a folder back into a checkpoint.

No code in the checkpoint is executed. The shapes of the weights tell the kind of model.

  mixformer convert mixformerv2_small.pth.tar --out v2s
  mixformer track clip.mp4 --box 260 29 41 142 --model v2s
  mixformer convert v2s --out mixformerv2_small.pth.tar --to official

mmtracking runs the weights of MixCvT with the exact GELU, the official code with QuickGELU. Checkpoints
of both were trained with QuickGELU, so it is the default; --activation gelu reproduces mmtracking's numbers.
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("source", type=Path, help="official checkpoint, or a model folder or name")
    made.add_argument("--out", type=Path, required=True, help="folder to write; a file for other layouts")
    made.add_argument(
        "--to", type=Literal["mixformer", "official", "mmtracking"], default="mixformer", help="layout to write"
    )
    made.add_argument(
        "--precision",
        type=Literal["float32", "float16", "int8"],
        default="float32",
        help="precision of the stored weights",
    )
    made.add_argument(
        "--heads", type=int | None, default=None, help="attention heads of the checkpoint, if other than its width / 64"
    )
    for name, size in (("search", 320), ("template", 128)):
        made.add_argument(
            f"--{name}-size",
            type=int | None,
            default=None,
            help=f"side of the crop in pixels of a MixCvT checkpoint, if not {size}",
        )
    made.add_argument(
        "--activation",
        type=Literal["quick_gelu", "gelu"] | None,
        default=None,
        help="activation of a MixCvT checkpoint; see above",
    )
    add_overwrite(made)
    return made


def run(options: Namespace) -> None:
    """Convert."""
    from mixformer.weights.conversion import convert

    told = {name: options[name] for name in ("heads", "search_size", "template_size", "activation")}
    known = {name: value for name, value in told.items() if value is not None}
    report = convert(
        options.source, options.out, options.to, options.precision, overrides=known, overwrite=options.overwrite
    )
    console = make_console()
    console.print(f"{report.config.name}: {report.tensors} tensors, {report.size / 1e6:.1f} MB")
    for path in report.files:
        console.print(f"wrote {path.resolve()}")
