"""Run all training stages of a route, one after the other: the work of `mixformer pipeline`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mixformer.errors import ConfigError
from mixformer.training.metric_logger import read_log
from mixformer.training.recipe import Recipe
from mixformer.training.recipe_aliases import upgrade_recipe
from mixformer.training.routes import RouteStep, route
from mixformer.training.run_training import train
from mixformer.training.tiny import tiny_recipe, toy_sequences
from mixformer.weights.catalog import CONFIG_FILE
from mixformer.weights.load_save import ModelWeights, load_weights, save_weights
from mixformer.weights.pruning import CUTS

Scale = Literal["tiny", "paper"]
_MODEL = "model"  # folder of the result in the folder of a step
# Fields that may change while a run goes on: places of files, and where and how fast it computes.
_FREE = {"init_from", "data_root", "val_data", "save_interval", "grad_accum_steps", "tensorboard", "wandb", "mlflow"}
_FREE_DATA = {"sets", "workers", "cache_mb", "crop_on"}


@dataclass(frozen=True)
class StepReport:
    """A step of a route before it is run, or after.

    Attributes:
        number: of the step, from 1.
        count: steps of the route.
        step: entry of the table of routes.
        folder: folder of the step in the folder of the route.
        recipe: recipe as it is run; None for a step that cuts a smaller network.
        done: whether its model is complete.
        means: last means of its log, such as "loss"; empty before.

    Example:
        >>> from mixformer.training import plan_route
        >>> [report.done for report in plan_route("mixvit", "runs/nothing")]
        [False, False]
    """

    number: int
    count: int
    step: RouteStep
    folder: Path
    recipe: Recipe | None
    done: bool = False
    means: Mapping[str, float] = field(default_factory=dict)

    @property
    def model(self) -> Path:
        """The model folder of a finished step."""
        return self.folder / _MODEL if self.recipe else self.folder


Listener = Callable[[StepReport, int, Mapping[str, float]], None]
"""Called when a step begins, after every optimizer step of it, and when it is done, with the steps done and means."""


def plan_route(
    name: str,
    out: str | Path,
    *,
    scale: Scale = "paper",
    data: str | Path | None = None,
    changes: Sequence[str] = (),
    steps: int = 0,
) -> list[StepReport]:
    """List the steps of a route with their recipes, and which of them are done; nothing is run or written.

    Arguments and errors are those of `run_route`.

    Example:
        >>> from mixformer.training import plan_route
        >>> [(report.step.name, report.recipe.init_from) for report in plan_route("mixcvt", "runs/mine")][1]
        ('mixcvt_score', 'runs/mine/mixcvt_stage1/model')
    """
    return plan_steps(route(name), Path(out), scale=scale, data=data, changes=changes, steps=steps)


def plan_steps(
    wanted: Sequence[RouteStep],
    out: Path,
    *,
    scale: Scale = "paper",
    data: str | Path | None = None,
    changes: Sequence[str] = (),
    steps: int = 0,
    start: Path | None = None,
) -> list[StepReport]:
    """List steps that need no others, in this order; see `plan_route`, and `tiny_recipe` for `start`."""
    require_tiny(scale, steps=steps, start=start)
    names = {step.name for step in wanted}
    root = Path(data) if data else (out / "data" / "train" if scale == "tiny" else None)
    found = []
    for number, step in enumerate(wanted, 1):
        recipe = None
        if not step.cut:
            recipe = Recipe.from_toml(step.recipe_name, step.changes)
            if scale == "tiny":
                assert root is not None
                recipe = tiny_recipe(recipe, root, steps, start)
            elif root is not None:
                recipe = recipe.replace(data_root=str(root))
            recipe = _chained(recipe, names, out)
            if changes:
                recipe = Recipe.from_dict(upgrade_recipe(_plain(recipe), changes))
        elif scale == "tiny" and step.cut != "mlp_ratio":
            step = replace(step, amount=max(1, step.amount // 2))
        found.append(_looked_at(StepReport(number, len(wanted), step, out / step.name, recipe)))
    return found


def require_tiny(scale: Scale, **given: object) -> None:
    """Raise ConfigError for arguments that only scale "tiny" has: at "paper", they would be ignored."""
    if scale != "tiny" and (named := [name for name, value in given.items() if value]):
        raise ConfigError(f"{', '.join(named)}: only at scale tiny, not at {scale}; choose that, or leave it out")


def run_route(
    name: str,
    out: str | Path,
    *,
    scale: Scale = "paper",
    data: str | Path | None = None,
    device: str = "cpu",
    changes: Sequence[str] = (),
    steps: int = 0,
    progress: Listener | None = None,
) -> list[StepReport]:
    """Train a model of the papers from its first stage to its last; each stage starts from those before it.

    Finished stages are kept, and an interrupted one is resumed. So the same call continues a route that was stopped or
    killed anywhere.

    Args:
        name: key of `ROUTES`.
        out: folder of the route; each step gets a folder in it, with the files that `train` writes.
        scale: "paper" is the published size. "tiny" trains small networks from the included weights.
        data: at "paper", `data_root` of all recipes. At "tiny", a folder of your annotated sequences; None draws some.
        device: "cpu", "cuda" or "cuda:N".
        changes: "key=value", fields of all recipes to change.
        steps: at "tiny", optimizer steps of each stage; 0 = some minutes in all.
        progress: see `Listener`.

    Raises:
        ConfigError: for an unknown route, a wrong change, `steps` at "paper", or if a step in `out` was run with other
            settings.
        MixFormerError: the errors of `train`.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the same call resumes the route.

    Example:
        >>> import tempfile
        >>> from mixformer.training import run_route
        >>> small = ["model_overrides.dim=12", "model_overrides.heads=2", "init_from=", "batch_size=2"]
        >>> done = run_route("mixvit-corner", tempfile.mkdtemp(), scale="tiny", steps=1, changes=small)
        >>> done[-1].model.name
        'model'
    """
    out = Path(out)
    plan = plan_route(name, out, scale=scale, data=data, changes=changes, steps=steps)
    if scale == "tiny" and data is None:
        toy_sequences(out / "data" / "train")
    return [run_step(report, device, progress) for report in plan]


def run_step(report: StepReport, device: str = "cpu", progress: Listener | None = None) -> StepReport:
    """Run one step to its end, from where it was stopped; do nothing if it is done."""
    told = progress or (lambda *_: None)
    told(report, 0, report.means)
    if report.done:
        return report
    if report.recipe is None:
        _cut(report.step, report.folder)
    else:
        train(report.recipe, report.folder, device=device, progress=lambda step, means: told(report, step, means))
    done = replace(report, done=True, means=_last_means(report.folder))
    told(done, done.recipe.total_steps if done.recipe else 0, done.means)
    return done


def needed_steps(wanted: Iterable[str], steps: Mapping[str, RouteStep]) -> list[RouteStep]:
    """Return named steps and the steps that they start from or learn from; each comes after those that it needs."""
    found: dict[str, RouteStep] = {}

    def add(name: str) -> None:
        if name in found:
            return
        for needed in step_needs(steps[name], steps):
            add(needed)
        found[name] = steps[name]

    for name in wanted:
        add(name)
    return list(found.values())


def step_needs(step: RouteStep, steps: Mapping[str, RouteStep]) -> list[str]:
    """Return the names of the steps that this one starts from or learns from."""
    if step.cut:
        return [step.source]
    recipe = Recipe.from_toml(step.recipe_name, step.changes)
    paths = (recipe.init_from, recipe.teacher.model)
    return [parts[1] for parts in (Path(path).parts for path in paths) if _is_step(parts, steps)]


def _is_step(parts: Sequence[str], names: Iterable[str]) -> bool:
    return len(parts) > 1 and parts[0] == "runs" and parts[1] in names


def _chained(recipe: Recipe, names: Iterable[str], out: Path) -> Recipe:
    """Turn paths of other steps, `runs/NAME/...`, into paths below `out`."""

    def place(path: str) -> str:
        parts = Path(path).parts
        return str(out.joinpath(*parts[1:])) if _is_step(parts, names) else path

    teacher = recipe.teacher.replace(model=place(recipe.teacher.model))
    return recipe.replace(init_from=place(recipe.init_from), teacher=teacher)


def _looked_at(report: StepReport) -> StepReport:
    """Find out whether a step is done; raises ConfigError if its folder holds a run of other settings."""
    kept = report.folder / "recipe.json"
    if report.recipe is not None and kept.is_file():
        before, now = _comparable(Recipe.from_file(kept)), _comparable(report.recipe)
        if differing := sorted(key for key in now if before[key] != now[key]):
            raise ConfigError(
                f"{report.folder} holds a run with other settings ({', '.join(differing)}); choose another --out, or "
                "the settings of that run"
            )
    if not (report.model / CONFIG_FILE).is_file():
        return report
    return replace(report, done=True, means=_last_means(report.folder))


def _comparable(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that decide the result of a run."""
    values = {key: value for key, value in _plain(recipe).items() if key not in _FREE}
    values["teacher"] = {**values["teacher"], "model": ""}
    values["data"] = {key: value for key, value in values["data"].items() if key not in _FREE_DATA}
    return values


def _plain(recipe: Recipe) -> dict[str, Any]:
    """Return the values as a file keeps them, with lists in place of tuples."""
    values: dict[str, Any] = json.loads(json.dumps(recipe.to_dict()))
    return values


def _last_means(folder: Path) -> dict[str, float]:
    """Return the last means of a log; empty without one."""
    lines = [found for found in read_log(folder / "log.jsonl") if "loss" in found]
    return lines[-1] if lines else {}


def _cut(step: RouteStep, folder: Path) -> None:
    """Write a smaller network, made of the model of an earlier step."""
    weights = load_weights(folder.parent / step.source / _MODEL)
    state, config = CUTS[step.cut](weights.state, weights.config, step.amount)
    save_weights(ModelWeights(config, state), folder)
