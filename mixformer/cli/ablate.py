"""`mixformer ablate`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from mixformer.cli.bars import TaskBars
from mixformer.cli.console import failure_text, make_console
from mixformer.cli.parser import add_changes, add_executor, add_flag, add_option, add_scale, executor_from
from mixformer.errors import ConfigError, MixFormerError, counted

if TYPE_CHECKING:
    from mixformer.run.executor import Event
    from mixformer.training import AblationResult, AblationRow

DESCRIPTION = """Train and measure a table of ablations of the papers, and write it beside the published numbers.

Every row is trained with several seeds; the table shows mean and standard deviation. The same command resumes an
interrupted run. Results are in OUT/seedN, and the table is OUT/NAME.md. See docs/recipes.md.

  mixformer ablate --list                          the tables
  mixformer ablate v2-3d --list                    how each row of one is trained
  mixformer ablate v2-3d --out runs/ablations --scale tiny
  mixformer ablate v2-3d --out runs/ablations --scale tiny --data my_videos --test other_videos --seeds 2
  mixformer ablate v2-3d --out runs/ablations --scale tiny --seeds 2 --row mine.toml      and a recipe of your own
  mixformer ablate v2-2 --out runs/ablations                                     speeds, without training
  mixformer ablate v1-3 --out /cluster/ablations --data /datasets --executor ray --workers 8 --gpus 1 --device cuda
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("name", type=str, nargs="?", default="", help="table, see --list")
    add_option(made, "--out", Path, "folder of all runs and tables", metavar="DIR")
    add_flag(made, "--list", "list the tables; with a name, its rows with their recipes")
    add_option(made, "--seeds", int, "train every row with seeds 1 to N, at most 1000", 3, metavar="N")
    add_scale(made)
    add_option(made, "--test", Path, "tiny: held-out sequences of --data", metavar="DIR")
    text = "tiny: model folder that plain transformers start from and have the width of; default: the included one"
    add_option(made, "--start", Path, text, metavar="DIR")
    text = "also train these recipes, a row each; runs/NAME/model in one is the model of the step NAME"
    add_option(made, "--row", str, text, [], nargs="+", action="extend", metavar="RECIPE")
    text = "train and measure these rows of the table alone, from 1; --list NAME shows the numbers"
    add_option(made, "--only", int, text, [], nargs="+", metavar="N")
    add_changes(made, "change fields of all recipes, such as optimizer.lr=5e-4")
    where = made.add_argument_group("where the runs are made (their results do not depend on it)")
    add_executor(where, 0, "processes that train at the same time; 0: one run after the other, in this process")


def run(options: Namespace) -> None:
    """List, or train and print the table."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.files import write_text
    from mixformer.run.executor import Completed, Failed
    from mixformer.training import ablation_report, run_ablation
    from mixformer.training.ablation_measures import require_few_seeds

    console = make_console(quiet=options.quiet)
    if options.seeds < 1:
        raise ConfigError("--seeds must be 1 or more")
    require_few_seeds(options.seeds)
    if options.list:
        _list(console, options.name, options.seeds, options.out)
        return
    if not options.name or options.out is None:
        raise ConfigError("say which table and where: mixformer ablate NAME --out DIR; --list shows the names")
    with TaskBars(None, options.quiet, "runs") as bars:

        def show(event: Event) -> None:
            bars.listen(event)
            if isinstance(event, Completed | Failed):
                console.print(f"{event.name}{' failed: ' + event.message if isinstance(event, Failed) else ''}")

        result = run_ablation(
            options.name,
            options.out,
            seeds=range(1, options.seeds + 1),
            scale=options.scale,
            data=options.data,
            test=options.test,
            steps=options.steps,
            start=options.start,
            changes=options.set,
            rows=options.row,
            only=options.only,
            device=str(find_device(options.device)),
            executor=executor_from(options),
            progress=show,
        )
    text = ablation_report(result)
    write_text(options.out / f"{options.name}.md", text + "\n")
    if any(row.point[0] for row in result.table.rows):
        _draw(result, options.out / f"{options.name}.png", console)
    console.print(text)
    if result.failures:
        head = f"{counted(len(result.failures), 'run')} failed; the same command tries again:"
        raise MixFormerError(failure_text(head, result.failures))


def _draw(result: AblationResult, path: Path, console: Console) -> None:
    """Write the figure of the table, if matplotlib is installed."""
    from mixformer.evaluation.report.figures import figure_writers
    from mixformer.files import write_files
    from mixformer.optional import installed
    from mixformer.training import ablation_figure

    if not installed("matplotlib"):
        console.print(f"{path.name} is not drawn: that needs matplotlib (pip install matplotlib)")
        return
    write_files({path: figure_writers(ablation_figure(result))["png"]})


def _list(console: Console, name: str, seeds: int, out: Path | None) -> None:
    """Print all tables and their rows, or one table with the recipe of each row and the seeds that are measured."""
    from mixformer.training import ABLATIONS, ablation

    if not name:
        for key, table in sorted(ABLATIONS.items()):
            console.print(f"{key:6} {table.title}")
            for row in table.rows:
                console.print(f"         {row.label}")
        return
    for number, row in enumerate(ablation(name).rows, 1):
        state = f", {_measured(row, seeds, out)} of {counted(seeds, 'seed')} measured" if out else ""
        text = f"{number}. {row.label}{state}\n  {_training(row)}"
        console.print(text)


def _training(row: AblationRow) -> str:
    """The step that trains a row, its recipe, and what it changes there; or the network whose speed is measured."""
    if row.step is None:
        model, fields = row.network
        return shlex.join(["network", model, *(f"{key}={value}" for key, value in fields.items())])
    changes = f" --set {shlex.join(row.step.changes)}" if row.step.changes else ""
    settings = "".join(f", tracked with {key}={value}" for key, value in row.settings.items())
    return f"step {row.step.name}{settings}: recipe {row.step.recipe_name}{changes}"


def _measured(row: AblationRow, seeds: int, out: Path) -> int:
    from mixformer.training.ablation_runs import measured_file

    return sum(measured_file(out, row, seed).is_file() for seed in range(1, seeds + 1))
