"""`mixformer train`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mixformer.cli.console import make_console
from mixformer.cli.parser import make_parser

if TYPE_CHECKING:
    from mixformer.training.recipe import Recipe

_DESCRIPTION = """Train a model from a recipe. Run the same command again to resume an interrupted run.

The run folder gets state.safetensors (to resume from), log.jsonl, recipe.json, environment.json and, at the end,
model/. See docs/training.md.

  mixformer train recipes/dino_s8_boxes.toml --out runs/boxes
  mixformer train recipes/dino_s8_boxes.toml --out runs/short --set max_steps=500 optimizer.lr=1e-4
  mixformer train recipes/mixvit_stage1.toml --out runs/try --dry-run --set model_overrides.depth=2
  torchrun --nproc-per-node 8 -m mixformer train recipes/mixvit_stage1.toml --out runs/mixvit
"""
_DRY_RUN_STEPS = 4
_DRY_RUN = (
    f"max_steps={_DRY_RUN_STEPS}",
    "batch_size=2",
    "grad_accum_steps=1",
    "precision=float32",
    "data.workers=0",
    "val_interval=0",
)


def parser() -> ArgumentParser:
    """Options of the command."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("recipe", type=Path, help="TOML file with the fields of mixformer.training.Recipe")
    made.add_argument("--out", type=Path, required=True, help="run folder")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument(
        "--set",
        type=str,
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change fields of the recipe, such as optimizer.lr=1e-4 or data.sets.0.weight=2",
    )
    made.add_argument(
        "--dry-run",
        action="store_true",
        help=f"train {_DRY_RUN_STEPS} steps on generated pictures, without the recipe's data, weights and teacher",
    )
    made.add_argument("--fresh", action="store_true", help="ignore a checkpoint in the run folder")
    return made


def run(options: Namespace) -> None:
    """Train."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training.recipe import Recipe
    from mixformer.training.run_training import train

    recipe = Recipe.from_toml(options.recipe, [*(_DRY_RUN if options.dry_run else ()), *options.set])
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
            recipe, options.out, resume=not options.fresh, device=device, progress=progress, dry_run=options.dry_run
        )
    if talks:
        make_console().print(f"wrote {folder.resolve()}")


def _describe(recipe: Recipe, step: int, means: dict[str, float]) -> str:
    """Text beside the bar: epoch, losses, speed of training and of its loader, seconds of a step, memory."""
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
