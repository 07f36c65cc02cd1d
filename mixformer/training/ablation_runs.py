"""Train and measure all rows of a table of ablations, with several seeds: the work of `mixformer ablate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mixformer.configs.argument_checks import checked
from mixformer.data.annotated_folders import read_sequences
from mixformer.errors import ConfigError
from mixformer.files import read_json_file, write_text
from mixformer.run.executor import Event, Executor, Failed, Report, SerialExecutor
from mixformer.training.ablation_measures import (
    Measured,
    measure_crops,
    measure_speed,
    measure_tracking_of,
    require_few_seeds,
    require_same_test,
)
from mixformer.training.ablation_tables import STEPS, AblationRow, AblationTable, ablation
from mixformer.training.recipe import Recipe
from mixformer.training.route_runs import Scale, StepReport, needed_steps, plan_steps, run_step, step_needs
from mixformer.training.routes import RouteStep
from mixformer.training.tiny import toy_sequences
from mixformer.training.twins import copy_run, find_twin

_UPDATE_INTERVAL = 10  # frames, at tiny scale: short videos would end before the published 200, and rows be alike


@dataclass(frozen=True)
class AblationResult:
    """The measured numbers of a table.

    Attributes:
        table: entry of `ABLATIONS`.
        scale: size of the networks.
        seeds: seeds that were wanted.
        values: row, from 0 -> seed -> what was measured, such as "value", "parameters" (M) and "gmacs" (G). The value
            is a mean IoU or an AUC, 0..1, or frames per second.
        failures: message of each run that failed.

    Example:
        >>> from mixformer.training import ABLATIONS, AblationResult
        >>> AblationResult(ABLATIONS["v2-3d"], "tiny", (1,)).failures
        {}
    """

    table: AblationTable
    scale: Scale
    seeds: tuple[int, ...]
    values: dict[int, dict[int, Measured]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shop:
    """Settings that all tasks share."""

    out: Path
    scale: Scale
    data: Path | None
    test: Path | None
    steps: int
    device: str
    start: Path | None = None
    changes: tuple[str, ...] = ()
    known: Mapping[str, RouteStep] = field(default_factory=lambda: STEPS)

    def plan(self, steps: Sequence[str], seed: int) -> list[StepReport]:
        """The named steps and those they need, in order, with the recipes of this seed."""
        return plan_steps(
            needed_steps(steps, self.known),
            self.out / f"seed{seed}",
            scale=self.scale,
            data=self.data,
            changes=[*self.changes, f"seed={seed}"],
            steps=self.steps,
            start=self.start,
        )


@dataclass(frozen=True)
class _Task:
    """One training, or one measurement of a row."""

    seed: int
    report: StepReport | None
    row: AblationRow | None = None
    file: Path = Path()  # of what is measured


@checked
def run_ablation(
    key: str,
    out: str | Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    scale: Scale = "paper",
    data: str | Path | None = None,
    test: str | Path | None = None,
    steps: int = 0,
    start: str | Path | None = None,
    changes: Sequence[str] = (),
    rows: Sequence[str | Path] = (),
    only: Sequence[int] = (),
    device: str = "cpu",
    executor: Executor | None = None,
    progress: Callable[[Event], None] | None = None,
) -> AblationResult:
    """Train and measure all rows of a table. Finished runs are kept, so the same call resumes an interrupted one.

    Args:
        key: key of `ABLATIONS`.
        out: folder of all runs: `seedN/STEP`, and `seedN/measured`. Tables share the steps that they have in common.
        seeds: seeds of weights and samples.
        scale: "paper" trains at the published size, and measures by tracking LaSOT. "tiny" trains small networks, and
            measures the overlap on crops of held-out sequences.
        data: at "paper", `data_root` of the recipes, which also holds LaSOT. At "tiny", a folder of annotated
            sequences; None draws some.
        test: at "tiny", the folder of held-out sequences that belongs to `data`.
        steps: at "tiny", optimizer steps of each training; 0 = some minutes.
        start: at "tiny", a model folder whose backbone all plain transformers start from, in place of the included
            weights; they have its width, patches and crops. A narrow network makes a table cheap.
        changes: "key=value", fields of all recipes to change.
        rows: recipes of your own, names or files, each a further row; `runs/NAME/model` in one is the model of the step
            NAME, as in the included recipes.
        only: numbers of the table's rows to train and measure, from 1; none = all. Rows of your own always are.
        device: "cpu", "cuda" or "cuda:N".
        executor: runs the trainings, each on one worker; all workers must see `out`, which a Ray cluster needs a shared
            folder for. None runs them here, one after the other, seed by seed.
        progress: called with every event.

    Raises:
        ConfigError: for an unknown table, recipe or row, or if `out` holds runs of other settings or sequences.
        DataError: if `data` or `test` holds no sequences.
        MixFormerError: if no worker can be made.

    Example:
        >>> import tempfile
        >>> from mixformer.training import run_ablation
        >>> result = run_ablation("v2-1", tempfile.mkdtemp(), seeds=[])  # nothing is measured
        >>> [row.label for row in result.table.rows][-1]
        'prediction tokens'
    """
    require_few_seeds(len(seeds))
    table = _with_rows(ablation(key), rows)
    wanted = _with_only(table, only)
    shop = replace(
        _shop(Path(out), scale, data, test, steps, device),
        start=Path(start) if start else None,
        changes=tuple(changes),
        known=STEPS | {row.step.name: row.step for row in table.rows if row.step},
    )
    executor = SerialExecutor() if executor is None else executor
    result = AblationResult(table, scale, tuple(seeds))
    if shop.test is not None:
        require_same_test((measured_file(shop.out, row, seed) for row in table.rows for seed in seeds), shop.test)
    together = getattr(executor, "workers", 1) > 1
    for group in [list(seeds)] if together else [[seed] for seed in seeds]:
        for tasks in _levels(shop, wanted, group):
            _run(executor, shop, tasks, result, progress)
        _run(executor, shop, _measurements(shop, wanted, group), result, progress)
    for number, row in enumerate(table.rows):
        files = {seed: measured_file(shop.out, row, seed) for seed in seeds}
        result.values[number] = {seed: read_json_file(file) for seed, file in files.items() if file.is_file()}
    return result


def _shop(out: Path, scale: Scale, data: str | Path | None, test: str | Path | None, steps: int, device: str) -> _Shop:
    if scale == "paper":
        if test is not None:
            raise ConfigError("test is for scale tiny; at paper, LaSOT is tracked: leave it out")
        return _Shop(out, scale, Path(data or "data"), None, steps, device)
    if (data is None) != (test is None):
        raise ConfigError("give a folder of training sequences and one of held-out sequences, or none of them")
    places = [Path(data), Path(test)] if data and test else [out / "data" / "train", out / "data" / "test"]
    if data is None:
        toy_sequences(places[0])
        toy_sequences(places[1], count=6, seed=1)
    else:
        for place in places:  # a wrong one is noticed before the work
            read_sequences(place)
    return _Shop(out, scale, places[0], places[1], steps, device)


def _with_rows(table: AblationTable, recipes: Sequence[str | Path]) -> AblationTable:
    """Add a row for each recipe; its step and label are the name of the file."""
    own = []
    for path in recipes:
        recipe, name = Recipe.from_toml(path), Path(path).stem
        if table.measures == "speed":
            own.append(AblationRow(name, network=(recipe.model, recipe.model_overrides), own=True))
        elif name in STEPS and STEPS[name] != RouteStep(name):
            raise ConfigError(f"there is a step {name!r} already; give {path} another name")
        else:
            own.append(AblationRow(name, RouteStep(name, "" if name in STEPS else str(path)), own=True))
    return replace(table, rows=(*table.rows, *own))


def _with_only(table: AblationTable, numbers: Sequence[int]) -> AblationTable:
    """Return the rows of these numbers, and those of one's own; the whole table without numbers."""
    count = sum(not row.own for row in table.rows)
    if wrong := [number for number in numbers if not 1 <= number <= count]:
        raise ConfigError(f"there is no row {wrong[0]}; this table has the rows 1 to {count}")
    rows = [row for number, row in enumerate(table.rows, 1) if not numbers or row.own or number in numbers]
    return replace(table, rows=tuple(rows))


def _levels(shop: _Shop, table: AblationTable, seeds: Sequence[int]) -> list[list[tuple[str, _Task]]]:
    """Trainings that are not done, in lists that need only those before them."""
    wanted = [row.step.name for row in table.rows if row.step]
    found: dict[int, list[tuple[str, _Task]]] = {}
    for seed in seeds:
        levels: dict[str, int] = {}
        for report in shop.plan(wanted, seed):
            name = report.step.name
            levels[name] = 1 + max((levels[needed] for needed in step_needs(report.step, shop.known)), default=0)
            if not report.done:
                found.setdefault(levels[name], []).append((f"seed {seed}, {name}", _Task(seed, report)))
    return [found[level] for level in sorted(found)]


def _measurements(shop: _Shop, table: AblationTable, seeds: Sequence[int]) -> list[tuple[str, _Task]]:
    """Measurements that are not done, of networks that are."""
    tasks = []
    for seed in seeds:
        for row in table.rows:
            file = measured_file(shop.out, row, seed)
            report = shop.plan([row.step.name], seed)[-1] if row.step else None
            if not file.is_file() and (report is None or report.done):
                tasks.append((f"seed {seed}, {row.label}: measured", _Task(seed, report, row, file)))
    return tasks


def measured_file(out: Path, row: AblationRow, seed: int) -> Path:
    """The file below `out` with what was measured of a row."""
    words = [row.step.name if row.step else row.label, *(f"{key}={value}" for key, value in row.settings.items())]
    return out / f"seed{seed}" / "measured" / f"{', '.join(words)}.json"


def _run(
    executor: Executor,
    shop: _Shop,
    tasks: list[tuple[str, _Task]],
    result: AblationResult,
    progress: Callable[[Event], None] | None,
) -> None:
    """Run independent tasks. One that fails does not stop the others."""
    if not tasks:
        return
    with closing(executor.run(partial(_make, shop), tasks)) as events:
        for event in events:
            if isinstance(event, Failed):
                result.failures[event.name] = event.message
            if progress is not None:
                progress(event)


def _make(shop: _Shop, number: int) -> Callable[[_Task, Report], None]:
    """Make a worker."""
    return partial(_work, shop)


def _work(shop: _Shop, task: _Task, report: Report) -> None:
    """Train, or measure and write what was measured."""
    if task.row is None:
        assert task.report is not None
        if twin := find_twin(task.report):
            copy_run(twin, task.report)
        else:
            run_step(task.report, shop.device, lambda _, step, means: report(step))
        return
    write_text(task.file, json.dumps(_measure(shop, task, task.row), indent=2) + "\n")


def _measure(shop: _Shop, task: _Task, row: AblationRow) -> Measured:
    if task.report is None:
        return measure_speed(*row.network, shop.device)
    recipe, model = task.report.recipe, task.report.model
    assert recipe is not None  # a row is trained
    if shop.scale == "paper":
        assert shop.data is not None
        return measure_tracking_of(
            model, recipe, "lasot", shop.data / "lasot", _tracked(task), row.settings, shop.device
        )
    assert shop.test is not None
    if row.settings:
        settings = {"update_interval": _UPDATE_INTERVAL, **row.settings}
        return measure_tracking_of(model, recipe, "", shop.test, _tracked(task), settings, shop.device)
    return measure_crops(model, recipe, read_sequences(shop.test))


def _tracked(task: _Task) -> Path:
    """Folder of raw results of tracking."""
    return task.file.with_suffix("")
