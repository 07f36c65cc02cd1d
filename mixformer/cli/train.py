"""`mixformer train`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mixformer.cli.parser import make_parser

_DESCRIPTION = """Train one stage from a recipe; the same command goes on where a stopped run was.

The run folder gets state.safetensors (to resume from), log.jsonl and, at the end, model/.

  mixformer train recipes/dino_s8_boxes.toml --out runs/boxes
  mixformer train recipes/dino_s8_boxes.toml --out runs/short --set '{"steps": 500, "batch": 8}'
"""


def parser() -> ArgumentParser:
    """Options of the verb."""
    made = make_parser(_DESCRIPTION)
    made.add_argument("recipe", type=Path, help="TOML file; its fields are those of mixformer.training.recipe.Recipe")
    made.add_argument("--out", type=Path, required=True, help="run folder")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--set", type=str, default="{}", help="fields of the recipe to change, as a JSON object")
    made.add_argument("--fresh", action="store_true", help="start anew even if the run folder holds a checkpoint")
    return made


def run(options: Namespace) -> None:
    """Train."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training.recipe import Recipe
    from mixformer.training.run import train

    recipe = Recipe.from_toml(options.recipe, **_changes(options.set))
    bar = Progress(
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True, quiet=not sys.stderr.isatty()),
    )
    task = bar.add_task("", total=recipe.steps)

    def progress(step: int, means: dict[str, float]) -> None:
        shown = "  ".join(f"{name} {means[name]:.3f}" for name in ("loss", "iou", "accuracy") if name in means)
        rate = f"  {means['samples_per_second']:.1f} samples/s" if means else ""
        bar.update(task, completed=step, description=shown + rate)

    device = str(find_device(options.device))
    with bar:
        folder = train(recipe, options.out, resume=not options.fresh, device=device, progress=progress)
    Console(soft_wrap=True).print(f"wrote {folder.resolve()}")


def _changes(text: str) -> dict[str, object]:
    from mixformer.errors import ConfigError

    try:
        changes = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--set takes a JSON object such as '{{\"steps\": 500}}': {error}") from error
    if not isinstance(changes, dict):
        raise ConfigError("--set takes a JSON object such as '{\"steps\": 500}'")
    return changes
