"""`mixformer pipeline`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from mixformer.cli.bars import TrainingBar, speaks
from mixformer.cli.console import make_console, make_table, print_filled, print_table
from mixformer.cli.parser import add_changes, add_flag, add_option, add_scale
from mixformer.errors import ConfigError

if TYPE_CHECKING:
    from mixformer.training import StepReport

DESCRIPTION = """Train a model of the papers in all its stages, each from the results of those before it.

The same command resumes a pipeline that was stopped or killed at any point. Each stage gets a folder in OUT, with the
files of `mixformer train`. See docs/recipes.md.

  mixformer pipeline --list                                   the models, and their stages
  mixformer pipeline v2-s --out runs/v2_s --scale tiny        small networks, some minutes on two cores
  mixformer pipeline v2-s --out runs/v2_s --data /datasets    the published size
  torchrun --nproc-per-node 8 -m mixformer pipeline mixvit --out runs/mixvit --data /datasets

--scale tiny starts from the included weights, and shows that all stages work, not how well. Without --data it draws
simple pictures to train on.
"""


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    made.add_argument("name", type=str, nargs="?", default="", help="model to train, see --list")
    add_option(made, "--out", Path, "folder of all stages", metavar="DIR")
    add_flag(made, "--list", "list the stages, with --out also what is done there")
    add_scale(made)
    add_changes(made, "change fields of all recipes, such as grad_accum_steps=8")


def run(options: Namespace) -> None:
    """List or train."""
    from mixformer.engines.torch_engine import find_device
    from mixformer.training import ROUTES, run_route

    if options.list:
        _list(options, [options.name] if options.name else list(ROUTES))
        return
    if not options.name or options.out is None:
        raise ConfigError("say what to train and where: mixformer pipeline NAME --out DIR; --list shows the names")
    device = str(find_device(options.device))
    with TrainingBar() as bar:
        show = partial(_show, bar)
        reports = run_route(options.name, options.out, device=device, progress=show, **_settings(options))
    if speaks():
        _summarize(reports)


def _settings(options: Namespace) -> dict[str, Any]:
    return {"scale": options.scale, "data": options.data, "changes": options.set, "steps": options.steps}


def _show(bar: TrainingBar, report: StepReport, step: int, means: Mapping[str, float]) -> None:
    """Print the beginning and the end of a stage, and show its steps."""
    console = make_console(quiet=not speaks())
    if report.done:
        console.print(f"{_title(report)}: done{_said(report)}")
    elif not step:
        bar.restart()
        console.print(f"{_title(report)}: {_work(report)}")
    elif report.recipe is not None:
        bar.show(report.recipe, step, means)


def _list(options: Namespace, names: list[str]) -> None:
    """Print the stages of routes."""
    from mixformer.training import plan_route

    console, out = make_console(), options.out or Path("OUT")
    routes = {name: plan_route(name, out, **_settings(options)) for name in names}
    width = max(len(report.step.name) for reports in routes.values() for report in reports)
    for name, reports in routes.items():
        console.print(name)
        for report in reports:
            state = "; done" if report.done else "; begun" if (report.folder / "state.safetensors").is_file() else ""
            head = f"  {report.number}  {report.step.name:{width}}  "
            print_filled(console, head, _work(report) + (state if options.out else ""))


def _summarize(reports: list[StepReport]) -> None:
    """Print what each stage ended with, and what to do with the last model."""
    console = make_console()
    rows = [(report.step.name, _work(report), _said(report).lstrip(", "), str(report.model)) for report in reports]
    print_table(console, make_table(("name", "what", "last means", "model"), rows, left=4))
    console.print(f"track with it: mixformer track clip.mp4 --box X Y W H --model {reports[-1].model}")


def _title(report: StepReport) -> str:
    return f"stage {report.number} of {report.count}, {report.step.name}"


def _work(report: StepReport) -> str:
    """Describe the work of a step in a few words."""
    if report.recipe is None:
        return f"cuts {report.step.source}: {report.step.cut.replace('_', ' ')} {report.step.amount}"
    kind = {"box": "box", "score": "score head", "distill": "distillation", "pretrain": "pre-training"}
    recipe, fading = report.recipe, len(report.recipe.pruning.blocks)
    blocks = f"{recipe.network().depth} blocks" + (f", {fading} fade out" if fading else "")
    return f"{kind[recipe.stage]}, {blocks}, {recipe.total_steps} steps of {recipe.batch_size}"


def _said(report: StepReport) -> str:
    names = ("loss", "iou", "accuracy")
    return "".join(f", {name} {report.means[name]:.3f}" for name in names if name in report.means)
