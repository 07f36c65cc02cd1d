"""`mixformer bench`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.table import Table

from mixformer.cli.parser import make_parser

_DESCRIPTION = """Measure how fast a recipe trains on this machine; nothing is kept.

Samples per second of the loader alone, of the step alone, and of both together: a loader slower than the step starves
it. Beside them the operations per second that the step reaches and those of a large matrix product measured here.

  mixformer bench train recipes/dino_s8_boxes.toml
  mixformer bench train recipes/mixvit_stage1.toml --smoke --set batch=8 --precision bfloat16
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("what", type=Literal["train"], help="train: loader, step and both together, for one recipe")
    made.add_argument("recipe", type=Path, help="TOML file")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument(
        "--set", type=str, nargs="+", default=[], metavar="KEY=VALUE", help="fields of the recipe to change"
    )
    made.add_argument(
        "--precision",
        type=str,
        nargs="+",
        default=["float32", "bfloat16"],
        metavar="NAME",
        help="precisions to compare: float32, bfloat16, float16 (GPUs)",
    )
    made.add_argument("--steps", type=int, default=5, help="measured steps; the median counts")
    made.add_argument("--smoke", action="store_true", help="made-up pictures in the place of the recipe's data")
    made.add_argument("--json", type=Path | None, default=None, help="also write the numbers here")
    return made


def run(options: Namespace) -> None:
    """Measure and print."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training.bench import measure_training
    from mixformer.training.recipe import Recipe

    recipe = Recipe.from_toml(options.recipe, options.set)
    device = str(find_device(options.device))
    found = measure_training(recipe, tuple(options.precision), device=device, steps=options.steps, smoke=options.smoke)
    table = Table(caption="samples/s; operations count 2 per multiply-add, three forward passes per step")
    for heading in ("precision", "loader", "step", "together", "step against first", "TFLOP/s", "peak", "reached"):
        table.add_column(heading, justify="right")
    for speed in found:
        table.add_row(
            speed.precision,
            f"{speed.loader:.1f}",
            f"{speed.step:.1f}",
            f"{speed.together:.1f}",
            f"{speed.step / found[0].step:.2f} x",
            f"{speed.achieved / 1e12:.2f}",
            f"{speed.peak / 1e12:.2f}",
            f"{speed.achieved / speed.peak:.0%}",
        )
    Console(soft_wrap=True).print(table)
    if options.json:
        options.json.write_text(json.dumps([asdict(speed) for speed in found], indent=2) + "\n")
