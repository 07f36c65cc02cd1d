"""Train a model from a recipe: the work of `mixformer train`."""

from __future__ import annotations

import json
import logging
import os
import platform
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mixformer import __version__
from mixformer.configs.argument_checks import checked_functions
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.data.annotated_folders import read_sequences
from mixformer.engines.torch_engine import TorchEngine, find_device
from mixformer.errors import ConfigError
from mixformer.evaluation import track_and_measure
from mixformer.evaluation.sequence_runner import require_start
from mixformer.files import write_text
from mixformer.models import MixFormer, build_model
from mixformer.models.layers import BatchNorm
from mixformer.training.build_data import build_dataset, dry_run_dataset
from mixformer.training.distributed import Distributed, init_distributed
from mixformer.training.recipe import Recipe
from mixformer.training.reconstructions import write_reconstructions
from mixformer.training.signals import only_writer
from mixformer.training.stages import build_stage
from mixformer.training.trainer import ProgressCallback, Trainer, Validator
from mixformer.weights.catalog import WEIGHTS_FILE, find_weights
from mixformer.weights.load_save import ModelWeights, load_model, load_weights, save_weights
from mixformer.weights.pretrained import load_pretrained
from mixformer.weights.pruning import remove_blocks

log = logging.getLogger(__name__)

# Fields in which networks with the same weights may differ
_NO_WEIGHTS = {"name", "drop_path", "elimination", "frozen_norms", "unused_keys"}
_SCORE, _BOX = {"score"}, {"head", "head_dim", "bins", "shared_mlp"}


@checked_functions
def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    resume: bool = True,
    device: str = "cpu",
    progress: ProgressCallback | None = None,
    dry_run: bool = False,
) -> Path:
    """Train one stage of a model and write the averaged model. Under `torchrun`, its processes train together.

    Args:
        recipe: a `Recipe`, the path of a TOML file, or the name of an included recipe (`list_recipes`).
        out: run folder, for `state.safetensors`, `log.jsonl`, `recipe.json`, `environment.json`, `best/` if the recipe
            validates, and, at the end, `model/`, after pre-training with `reconstructions.png`.
        resume: continue from a checkpoint in `out` if there is one. False replaces an earlier run in `out` after the
            first step.
        device: "cpu", "cuda" or "cuda:N".
        progress: called after every step with the number of steps done and the latest means.
        dry_run: train on generated shapes, without the recipe's data, initial weights and teacher.

    Returns:
        The model folder `out`/model, which `load_model`, `Tracker` and every command accept.

    Raises:
        ConfigError: if the recipe contradicts itself or the network.
        DataError: if a data set of the recipe is missing or cannot be used.
        CheckpointError: if the initial weights, the teacher or the checkpoint do not fit.
        OutputError: if another process is training into the same folder, or it holds something else than a run.
        TrainingDivergedError: if the loss or gradient is not a finite number.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the same call resumes the run.

    Example:
        >>> import tempfile
        >>> from mixformer.training import DataSection, Recipe, train
        >>> small = {"depth": 1, "dim": 16, "heads": 2, "search_size": 64, "template_size": 32}
        >>> recipe = Recipe("mixformerv2_s", small, max_steps=2, batch_size=2, data=DataSection(workers=0))
        >>> train(recipe, tempfile.mkdtemp(), dry_run=True).name
        'model'
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.from_toml(recipe)
    out = Path(out)
    validate = _validator(recipe) if recipe.val_interval else None  # wrong data are noticed before the work
    with init_distributed(find_device(device)) as processes, only_writer(out, processes.first):
        trainer = prepare(recipe, out, resume=resume, processes=processes, dry_run=dry_run)
        trainer.run(
            1 if dry_run else 20,
            progress=progress,
            validate=validate,
            begun=partial(_describe, trainer, out) if processes.first else None,
        )
        if processes.first:
            write_model(trainer)
            if recipe.stage == "pretrain":
                write_reconstructions(trainer)
        processes.wait()
    return out / "model"


def prepare(
    recipe: Recipe, out: Path, *, resume: bool = True, processes: Distributed | None = None, dry_run: bool = False
) -> Trainer:
    """Build the trainer of a run, and restore its checkpoint if `resume` is set."""
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.network()) if dry_run else start_model(recipe)
    teacher = _teacher(recipe, dry_run=dry_run) if recipe.stage == "distill" else None
    dataset = dry_run_dataset(recipe, model.config) if dry_run else build_dataset(recipe, model.config)
    trainer = Trainer(build_stage(model, recipe, teacher), dataset, recipe, out, processes)
    if resume:
        trainer.resume()
    return trainer


def write_model(trainer: Trainer) -> Path:
    """Write the averaged model of a run to `model/` in its folder (float32), without the blocks that faded out."""
    folder, pruning = trainer.folder / "model", trainer.recipe.pruning
    with trainer.averaged() as model:
        state, config = model.state_dict(), model.config
        if trainer.recipe.stage == "distill" and pruning.blocks:
            state, config = remove_blocks(state, config, pruning.blocks)
        save_weights(ModelWeights(config, state), folder)
    return folder


def start_model(recipe: Recipe) -> MixFormer:
    """Build the network of a recipe with its initial weights.

    A model folder of the same network, or the name of an included model, gives all weights. If only the heads differ
    (box head, number of bins, score head), matching weights are loaded, and a warning names the others, which start at
    random. Any other file gives only the backbone. Raises ConfigError, naming the fields, for another network, or if a
    part that this stage does not train would start at random.
    """
    model = build_model(recipe.network())
    start = find_weights(recipe.init_from) if recipe.init_from else None
    if start is not None and start.is_dir():
        _take(load_weights(start), model, recipe)
    elif recipe.stage == "score":
        raise ConfigError(
            f"the score stage needs a network with a trained box; give a model folder in init_from, not "
            f"{recipe.init_from!r}"
        )
    elif start is not None:
        load_pretrained(model, start)
    elif any(norm.frozen for norm in model.backbone.modules() if isinstance(norm, BatchNorm)):
        log.warning(
            "the frozen batch norms of %s keep mean 0 and variance 1, so they normalize nothing; give a start "
            "in init_from, or set model_overrides.projection = 'conv_ln' or model_overrides.frozen_norms = 'none'",
            model.config.name,
        )
    return model


def _take(weights: ModelWeights, model: MixFormer, recipe: Recipe) -> None:
    """Load the matching weights of another run's model."""
    # 1. Refuse another network. Sizes of the heads may differ if this stage trains the heads.
    ours, theirs = model.config.to_dict(), weights.config.to_dict()
    differing = {name for name in ours if ours[name] != theirs[name]} - _NO_WEIGHTS
    if wrong := sorted(differing - (_SCORE if recipe.stage == "score" else _SCORE | _BOX)):
        fields = ", ".join(f"{name} ({theirs[name]!r}, not {ours[name]!r})" for name in wrong)
        advice = f"give {Path(recipe.init_from) / WEIGHTS_FILE} to load only the backbone"
        if recipe.stage == "score":
            advice = "train the box first: this stage trains only the score head"
        raise ConfigError(
            f"the network in {recipe.init_from} differs from the recipe's in {fields}. Set `model` and "
            f"`model_overrides` of the recipe to match, or {advice}"
        )
    if theirs["elimination"] and not ours["elimination"]:
        log.warning(
            "%s leaves search tokens out, and the network of this recipe does not; to keep that, set "
            "model_overrides.elimination=%s",
            recipe.init_from,
            json.dumps(theirs["elimination"], separators=(",", ":")),
        )
    # 2. Load all entries that fit. The others keep their random values, and the warning names them.
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
        log.warning("these start at random, because nothing in %s fits: %s", recipe.init_from, ", ".join(names))
    model.load_state_dict(state | fitting)


def _teacher(recipe: Recipe, *, dry_run: bool) -> MixFormer:
    """Load the teacher; in a dry run, build a random network with the student's sizes and enough blocks.

    Where no blocks are compared, a student with tokens learns from a dense head, so the network of a dry run has one.
    """
    if not dry_run:
        return load_model(recipe.teacher.model)
    config = recipe.network()
    if not recipe.teacher.teacher_blocks and not config.dense:
        return build_model(config.replace(head="pyramid", prediction_tokens=0, score="none", elimination=()))
    missing = max((block + 1 for block in recipe.teacher.teacher_blocks), default=0) - config.mixing_depth
    return build_model(config.replace(depth=config.depth + max(0, missing)))


def _validator(recipe: Recipe) -> Validator:
    """Return the function that computes a network's success AUC ("pytracking") on the recipe's validation sequences."""
    sequences = read_sequences(Path(recipe.val_data))
    for sequence in sequences:
        require_start(sequence)
    settings = TrackerConfig(search_factor=recipe.crops.search_factor, template_factor=recipe.crops.template_factor)

    def validate(model: MixFormer) -> float:
        device = str(next(model.parameters()).device)
        return track_and_measure(TorchEngine(model, device), sequences, "pytracking", config=settings)["auc"]

    return validate


def _describe(trainer: Trainer, out: Path) -> None:
    """Write recipe and environment to the run folder."""
    environment = {
        "mixformer": __version__,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "precision": trainer.precision,  # which of them "auto" has taken
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
    }
    trainer.recipe.to_file(out / "recipe.json")
    write_text(out / "environment.json", json.dumps(environment, indent=2) + "\n")
