"""Steps of ablations that would train the very same network: the second one is a copy of the first."""

from __future__ import annotations

import filecmp
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mixformer.errors import MixFormerError
from mixformer.files import write_files
from mixformer.training.recipe import Recipe
from mixformer.training.route_runs import StepReport
from mixformer.weights.catalog import CONFIG_FILE, WEIGHTS_FILE
from mixformer.weights.load_save import load_weights, save_weights
from mixformer.weights.model_folder import read_folder


def find_twin(report: StepReport) -> Path | None:
    """Return the folder beside that of a step with a finished run of the same network, data, settings and weights.

    At tiny scale, rows that differ in a published image model alone are such twins. Runs are exact, so training both
    gives one network twice. None if there is no such run.
    """
    if report.recipe is None:
        return None
    for kept in sorted(report.folder.parent.glob("*/recipe.json")):
        model = kept.parent / "model"
        if kept.parent == report.folder or not all((model / name).is_file() for name in (CONFIG_FILE, WEIGHTS_FILE)):
            continue
        with suppress(MixFormerError):  # a recipe that cannot be read is nobody's twin
            if _same_run(Recipe.from_file(kept), report.recipe):
                return kept.parent
    return None


def copy_run(twin: Path, report: StepReport) -> None:
    """Write recipe, log and model of a step from those of its twin; the model last, because it marks the step as done.

    Raises OutputError if they cannot be written.
    """
    assert report.recipe is not None
    report.recipe.to_file(report.folder / "recipe.json")
    write_files({report.folder / "log.jsonl": partial(shutil.copyfile, twin / "log.jsonl")})
    weights = load_weights(twin / "model")
    save_weights(replace(weights, config=weights.config.replace(name=report.recipe.network().name)), report.model)


def _same_run(one: Recipe, other: Recipe) -> bool:
    """Return whether two recipes give the same weights: only names of networks and places of files may differ."""
    return (
        one.network().replace(name="") == other.network().replace(name="")
        and _placeless(one) == _placeless(other)
        and _same_weights(one.init_from, other.init_from)
        and _same_weights(one.teacher.model, other.teacher.model)
    )


def _placeless(recipe: Recipe) -> dict[str, Any]:
    """Return the settings without the network and the weights."""
    settings = recipe.to_dict()
    settings["teacher"] = {**settings["teacher"], "model": ""}
    return {key: value for key, value in settings.items() if key not in ("model", "model_overrides", "init_from")}


def _same_weights(one: str, other: str) -> bool:
    """Return whether two values of `init_from` are one, or name model folders with the same network and weights."""
    if one == other:
        return True
    first, second = Path(one), Path(other)
    if not all((folder / CONFIG_FILE).is_file() for folder in (first, second)):
        return False
    configs = [read_folder(folder).config.replace(name="") for folder in (first, second)]
    return configs[0] == configs[1] and filecmp.cmp(first / WEIGHTS_FILE, second / WEIGHTS_FILE, shallow=False)
