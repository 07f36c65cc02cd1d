"""`mixformer finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from mixformer.cli.bars import Bars
from mixformer.cli.console import make_console, make_table, print_filled, print_table
from mixformer.cli.parser import (
    add_changes,
    add_option,
    add_overwrite,
    add_quiet,
    add_training_device,
)
from mixformer.configs.variants import DEFAULT_MODEL

if TYPE_CHECKING:
    from mixformer.training import FineTuned

DESCRIPTION = """Fine-tune a model on your own annotated videos, and see what it gains.

DATA is a folder of sequences (NAME/img/* with NAME/groundtruth.txt), a JSON file, a public data set, or a project of
mixformer annotate or mixformer web (NAME.mixformer.json). Some videos are held back and tracked before and after. OUT
becomes a model folder. Run the same command again, without --overwrite, to resume an interrupted run. See
docs/finetune.md.

  mixformer finetune my_videos --out mine
  mixformer finetune my_videos --out mine --minutes 60 --device cuda
  mixformer track clip.mp4 --box 260 29 41 142 --model mine
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("data", type=Path, metavar="DATA", help="your annotated videos")
    add_option(made, "--model", str, "name, folder or checkpoint to start from", DEFAULT_MODEL)
    add_option(made, "--out", Path, "model folder to write", required=True)
    add_option(made, "--minutes", float, "time to aim at, measurements included", 10.0)
    add_option(made, "--steps", int, "number of steps, instead of --minutes", 0)
    add_training_device(made)
    add_changes(made, "change fields of the recipe finetune, such as optimizer.lr=5e-5")
    add_quiet(made)
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Fine-tune, and print the numbers before and after."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training import finetune

    console = make_console(quiet=options.quiet)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bars(*columns, quiet=options.quiet, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        done = finetune(
            options.data,
            options.out,
            model=options.model,
            minutes=options.minutes,
            steps=options.steps,
            changes=options.set,
            device=str(find_device(options.device)),
            overwrite=options.overwrite,
            tell=lambda text: _tell(text, console),
            progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    _print(done, console)


def _tell(text: str, console: Console) -> None:
    for line in text.split("\n"):
        print_filled(console, "", line, indent=4)


def _print(done: FineTuned, console: Console) -> None:
    """Print the numbers, what was decided, and what to do next."""
    before, after = done.before, done.after
    names = {"success AUC": "auc", "precision at 20 px": "precision", "IoU above 0.5": "op50", "IoU above 0.75": "op75"}
    rows = [(text, *(f"{100 * getattr(each, key):.1f}" for each in (before, after))) for text, key in names.items()]
    if before.ece is not None and after.ece is not None:
        rows.append(("calibration error", f"{before.ece:.3f}", f"{after.ece:.3f}"))
    print_table(console, make_table(("held-back videos", "before", "after"), rows))
    if len(before.sequences) > 1:
        each = [
            (name, f"{100 * auc:.1f}", f"{100 * after.sequences[name]:.1f}") for name, auc in before.sequences.items()
        ]
        print_table(console, make_table(("success AUC of", "before", "after"), each))
    if not done.best_step:
        checked = (
            f"no check up to step {done.steps} was better than the start, so the model is the one you started from"
        )
        print_filled(console, "", f"{checked} (docs/finetune.md: when it does not help)", indent=4)
    elif done.stopped_early:
        console.print(
            f"stopped at step {done.steps}, because it got no better; the weights are of step {done.best_step}"
        )
    else:
        console.print(f"the weights are of step {done.best_step} of {done.steps}")
    if (done.scale, done.offset) != (1.0, 0.0):
        console.print(f"the score was calibrated: logit x {done.scale:.3f} {done.offset:+.3f}")
    console.print(
        f"wrote {done.folder.resolve()}; for a faster engine: mixformer export {done.folder} --out {done.folder}"
    )
