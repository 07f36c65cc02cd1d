"""From a recipe to a trained model folder: the work behind `mixformer train`."""

from __future__ import annotations

import json
import logging
import os
import platform
from pathlib import Path

import numpy as np
import torch

from mixformer._version import __version__
from mixformer.configs.tracker import TrackerConfig
from mixformer.data.annotated_folders import read_sequences
from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import ConfigError, OutputError
from mixformer.evaluation import track_and_measure
from mixformer.models import MixFormer, build_model
from mixformer.training.build_data import build_dataset
from mixformer.training.distributed import Distributed, init_distributed
from mixformer.training.dry_run import dry_run_dataset
from mixformer.training.recipe import Recipe
from mixformer.training.signals import only_writer
from mixformer.training.stages import build_stage
from mixformer.training.trainer import ProgressCallback, Trainer, Validator
from mixformer.weights.catalog import WEIGHTS_FILE
from mixformer.weights.load_save import ModelWeights, load_model, load_weights, save_weights
from mixformer.weights.pretrained import load_pretrained
from mixformer.weights.pruning import remove_blocks

log = logging.getLogger(__name__)

_NO_WEIGHTS = {
    "name",
    "drop_path",
    "frozen_norms",
    "unused_keys",
}  # fields that networks of equal weights may differ in
_SCORE, _BOX = {"score"}, {"head", "head_dim", "bins"}


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = True,
    device: str = "cpu",
    progress: ProgressCallback | None = None,
    dry_run: bool = False,
) -> Path:
    """Train one stage and write the averaged model; under `torchrun`, together with its other processes.

    Args:
        recipe: what to do.
        out: run folder; holds `state.safetensors`, `log.jsonl`, `recipe.json`, `environment.json`,
            `best/` if the recipe validates, and, at the end, `model/`.
        resume: go on from a checkpoint in `out` if there is one.
        device: "cpu", "cuda" or "cuda:N".
        progress: called after every step.
        dry_run: learn from moving shapes made on the spot, to try a recipe without its data and start.

    Returns:
        The model folder, loadable by name wherever a model is.

    Raises:
        ConfigError: if the recipe contradicts itself or the network.
        DataError: if the data folder lacks what the recipe asks for.
        CheckpointError: if the start, the teacher or the checkpoint does not fit.
        OutputError: if another process is training into the same folder.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the same call then goes on.
    """
    with init_distributed(torch.device(device)) as processes, only_writer(out, processes.first):
        trainer = prepare(recipe, out, resume=resume, processes=processes, dry_run=dry_run)
        trainer.run(
            1 if dry_run else 20, progress=progress, validate=_validator(recipe) if recipe.val_interval else None
        )
        if processes.first:
            export(trainer)
        processes.wait()
    return out / "model"


def prepare(
    recipe: Recipe, out: Path, *, resume: bool = True, processes: Distributed | None = None, dry_run: bool = False
) -> Trainer:
    """Everything built and, if asked, restored; nothing trained yet."""
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.network()) if dry_run else start_model(recipe)
    teacher = _teacher(recipe, dry_run=dry_run) if recipe.stage == "distill" else None
    dataset = dry_run_dataset(recipe, model.config) if dry_run else build_dataset(recipe, model.config)
    trainer = Trainer(build_stage(model, recipe, teacher), dataset, recipe, out, processes)
    if trainer.processes.first:
        _describe(recipe, out)
    if resume:
        trainer.resume()
    return trainer


def export(trainer: Trainer) -> Path:
    """Write the averaged model of a run as `model/` in its folder (float32), without blocks that have faded out."""
    folder, pruning = trainer.folder / "model", trainer.recipe.pruning
    with trainer.averaged() as model:
        state, config = model.state_dict(), model.config
        if trainer.recipe.stage == "distill" and pruning.blocks:
            state, config = remove_blocks(state, config, pruning.blocks)
        save_weights(ModelWeights(config, state), folder)
    return folder


def start_model(recipe: Recipe) -> MixFormer:
    """The network of a recipe with the weights that it starts from.

    A model folder of the same sizes is taken whole. Where only the heads differ (another box head, number of bins or
    score head) what fits is taken, and what starts anew is logged by name. A file starts the backbone alone.

    Raises:
        ConfigError: if the folder holds another network, naming the fields that differ, or if a part would start anew
            that this stage does not train.
        CheckpointError: if the start is not there, is damaged or does not fit.
    """
    model = build_model(recipe.network())
    if recipe.init_from and Path(recipe.init_from).is_dir():
        _take(load_weights(recipe.init_from), model, recipe)
    elif recipe.stage == "score":
        raise ConfigError(
            f"the score stage needs a network with a trained box: a model folder in init_from, not {recipe.init_from!r}"
        )
    elif recipe.init_from:
        load_pretrained(model, recipe.init_from)
    return model


def _take(weights: ModelWeights, model: MixFormer, recipe: Recipe) -> None:
    """Load what fits of another run's model."""
    ours, theirs = model.config.to_dict(), weights.config.to_dict()
    differing = {name for name in ours if ours[name] != theirs[name]} - _NO_WEIGHTS
    if wrong := sorted(differing - (_SCORE if recipe.stage == "score" else _SCORE | _BOX)):
        fields = ", ".join(f"{name} ({theirs[name]!r}, not {ours[name]!r})" for name in wrong)
        advice = f"name {Path(recipe.init_from) / WEIGHTS_FILE} to start the backbone alone"
        if recipe.stage == "score":
            advice = "train the box first: this stage trains the score head alone"
        raise ConfigError(
            f"the network in {recipe.init_from} differs from the recipe's in {fields}. Make `model` and "
            f"`model_overrides` of the recipe fit it, or {advice}"
        )
    state = model.state_dict()
    other = ("box_head.",) if "head" in differing else ()  # layers of another head may have fitting shapes by chance
    fitting = {
        key: value
        for key, value in weights.state.items()
        if key in state and value.shape == state[key].shape and not key.startswith(other)
    }
    if anew := [key for key in state if key not in fitting]:
        whole = {key.split(".")[0] for key in anew} - {key.split(".")[0] for key in fitting}
        names = dict.fromkeys(part if (part := key.split(".")[0]) in whole else key for key in anew)
        log.warning("%s has nothing that fits these, which start anew: %s", recipe.init_from, ", ".join(names))
    model.load_state_dict(state | fitting)


def _teacher(recipe: Recipe, *, dry_run: bool) -> MixFormer:
    """The teacher; when only trying a recipe out, random weights in the student's sizes, as deep as needed."""
    if not dry_run:
        return load_model(recipe.teacher.model)
    config = recipe.network()
    missing = max((block + 1 for block in recipe.teacher.teacher_blocks), default=0) - config.mixing_depth
    return build_model(config.replace(depth=config.depth + max(0, missing)))


def _validator(recipe: Recipe) -> Validator:
    """A function that scores a network: success AUC ("pytracking") on the recipe's validation sequences."""
    sequences = read_sequences(Path(recipe.val_data))
    settings = TrackerConfig(search_factor=recipe.crops.search_factor, template_factor=recipe.crops.template_factor)

    def validate(model: MixFormer) -> float:
        device = str(next(model.parameters()).device)
        return track_and_measure(TorchEngine(model, device), sequences, "pytracking", config=settings)["auc"]

    return validate


def _describe(recipe: Recipe, out: Path) -> None:
    """Recipe and environment beside the weights."""
    environment = {
        "mixformer": __version__,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
    }
    try:
        recipe.to_file(out / "recipe.json")
        (out / "environment.json").write_text(json.dumps(environment, indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write to the run folder {out}: {error}") from error
