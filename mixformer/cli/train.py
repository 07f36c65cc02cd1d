"""`mixformer train`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mixformer.cli.parser import make_parser

if TYPE_CHECKING:
    from mixformer.training.recipe import Recipe

_DESCRIPTION = """Train one stage from a recipe; the same command goes on where a stopped run was.

The run folder gets state.safetensors (to resume from), log.jsonl, recipe.json, environment.json and, at the end,
model/.

  mixformer train recipes/dino_s8_boxes.toml --out runs/boxes
  mixformer train recipes/dino_s8_boxes.toml --out runs/short --set steps=500 optimizer.lr=1e-4
  mixformer train recipes/mixvit_stage1.toml --out runs/try --smoke --set changes.depth=2
  torchrun --nproc-per-node 8 -m mixformer train recipes/mixvit_stage1.toml --out runs/mixvit
"""
_SMOKE_STEPS = 4


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("recipe", type=Path, help="TOML file; its fields are those of mixformer.training.recipe.Recipe")
    made.add_argument("--out", type=Path, required=True, help="run folder")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument(
        "--set",
        type=str,
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="fields of the recipe to change, dotted keys",
    )
    made.add_argument(
        "--smoke",
        action="store_true",
        help=f"try the recipe: {_SMOKE_STEPS} steps on made-up pictures, without its data, start and teacher",
    )
    made.add_argument("--fresh", action="store_true", help="start anew even if the run folder holds a checkpoint")
    return made


def run(options: Namespace) -> None:
    """Train."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training.recipe import Recipe
    from mixformer.training.run_training import train

    smoke = (
        [f"steps={_SMOKE_STEPS}", "batch=2", "accumulate=1", "precision=float32", "data.workers=0", "validate_every=0"]
        if options.smoke
        else []
    )
    recipe = Recipe.from_toml(options.recipe, [*smoke, *options.set])
    talks = os.environ.get("RANK", "0") == "0"
    bar = Progress(
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True, quiet=not (talks and sys.stderr.isatty())),
    )
    task = bar.add_task("", total=recipe.total_steps)

    def progress(step: int, means: dict[str, float]) -> None:
        bar.update(task, completed=step, description=_describe(recipe, step, means))

    device = str(find_device(options.device))
    with bar:
        folder = train(
            recipe, options.out, resume=not options.fresh, device=device, progress=progress, smoke=options.smoke
        )
    if talks:
        Console(soft_wrap=True).print(f"wrote {folder.resolve()}")


def _describe(recipe: Recipe, step: int, means: dict[str, float]) -> str:
    """What stands beside the bar: epoch, losses, speed of training and of its loader, seconds of a step, memory."""
    words = [f"epoch {(step - 1) // recipe.epoch_steps + 1}/{recipe.epochs}"] if recipe.epochs else []
    words += [f"{name} {means[name]:.3f}" for name in ("loss", "iou", "accuracy") if name in means]
    if means:
        loader = means.get("loader_samples_per_second", 0.0)
        words += [
            f"{means['samples_per_second']:.1f} samples/s (loader {loader:.1f})",
            f"wait {means['waited']:.2f} + step {means['busy']:.2f} s",
            f"{means['memory_mb'] / 1024:.1f} GB",
        ]
    return "  ".join(words)
