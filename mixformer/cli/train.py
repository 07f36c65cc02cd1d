"""`mixformer train`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.bars import TrainingBar, speaks
from mixformer.cli.console import make_console
from mixformer.cli.parser import add_changes, add_flag, add_option, add_training_device

DESCRIPTION = """Train a model from a recipe. Run the same command again to resume an interrupted run.

The run folder gets state.safetensors (to resume from), log.jsonl, recipe.json, environment.json and, at the end,
model/. See docs/training.md.

  mixformer train mine.toml --out runs/mine
  mixformer train mine.toml --out runs/short --set max_steps=500 optimizer.lr=1e-4
  mixformer recipes                                       recipes that come with the package, by name
  mixformer train mixvit_stage1 --out runs/try --dry-run --set model_overrides.depth=2
  torchrun --nproc-per-node 8 -m mixformer train mixvit_stage1 --out runs/mixvit
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


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("recipe", type=Path, help="TOML file, or a name of mixformer recipes")
    add_option(made, "--out", Path, "run folder", required=True)
    add_training_device(made)
    add_changes(made, "change fields of the recipe, such as optimizer.lr=1e-4 or data.sets.0.weight=2")
    dry = f"train {_DRY_RUN_STEPS} steps on generated pictures, without the recipe's data, weights and teacher"
    add_flag(made, "--dry-run", dry)
    add_flag(made, "--fresh", "ignore a checkpoint in the run folder")


def run(options: Namespace) -> None:
    """Train."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training.recipe import Recipe
    from mixformer.training.run_training import train

    recipe = Recipe.from_toml(options.recipe, [*(_DRY_RUN if options.dry_run else ()), *options.set])
    how = {"resume": not options.fresh, "dry_run": options.dry_run, "device": str(find_device(options.device))}
    with TrainingBar() as bar:
        folder = train(recipe, options.out, progress=partial(bar.show, recipe), **how)
    if speaks():
        make_console().print(f"wrote {folder.resolve()}")
