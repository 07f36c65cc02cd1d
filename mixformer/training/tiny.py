"""A recipe at a tiny size: real training of a small network, in a few minutes on two processor cores.

Depths and numbers of blocks are halved. A plain transformer starts from the included weights wherever the recipe starts
from a published image model, because a network that small learns little from nothing in so few steps.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import DEFAULT_MODEL, model_config
from mixformer.errors import ConfigError
from mixformer.files import make_folder, write_files, write_text
from mixformer.training.recipe import Recipe
from mixformer.weights.catalog import WEIGHTS_FILE, find_weights
from mixformer.weights.model_folder import read_folder
from mixformer.weights.pruning import skipped_blocks

STEPS = {"box": 300, "distill": 300, "pretrain": 300, "score": 100}
"""Steps of a stage at this size."""

_OF_A_START = ("dim", "heads", "patch_size", "search_size", "template_size", "layer_scale")
_SMALL_CROPS = {"search_size": 98, "template_size": 42}  # of the included model, which has 196 and 98
_SIZES: dict[str, dict[str, Any]] = {
    "cvt": {"dim": 96, "heads": 4, "early_dims": (16, 48), "early_heads": (1, 2)},
    "convmae": {"dim": 96, "heads": 4, "early_dims": (16, 48)},
}
_CROPS = {"search_size": 96, "template_size": 48}  # of the others, whose patches have 16 pixels
_FADE = 0.25  # part of a run in which blocks fade, at least; 40 of 500 epochs would be a few steps
_OFFICIAL_FADE = 40  # epochs
_WIDE = 192  # channels; on a processor, narrower networks are slower in bfloat16
_WARM = 0.05
_RATE, _LOW_RATE = 1e-3, 3e-4  # the fusion of TransT has norms after its residuals, and learns nothing at 1e-3
_DEEPEST = 12  # blocks at full size; half of them are fewer than the included model has


def tiny_recipe(recipe: Recipe, data: Path, steps: int = 0, start: Path | None = None) -> Recipe:
    """Make a tiny form of a recipe that trains on a folder of annotated sequences; 0 steps = `STEPS` of its stage.

    Teacher, rule of sampling and losses stay the same, and `init_from` too if it names a model folder of an earlier
    stage. `start`: model folder of a plain transformer, in place of the included weights; all plain transformers have
    its width, patches and crops. Raises CheckpointError if it is no model folder and ConfigError if it holds no plain
    transformer.
    """
    config = recipe.network()
    changed = tiny_network(config, start)
    steps = steps or STEPS[recipe.stage]
    fading = recipe.pruning.epochs / recipe.epochs if recipe.epochs else 0.0
    if fading > 0.5:  # a run that hardly does anything else; more epochs of fading are more steps
        steps = max(1, round(steps * recipe.pruning.epochs / _OFFICIAL_FADE))
    values = recipe.to_dict()
    values["model_overrides"] = {**recipe.model_overrides, **changed}
    small = config.replace(**changed)
    blocks = recipe.pruning.blocks
    removed = skipped_blocks(small, small.depth - len(blocks) // 2) if blocks else ()
    both = zip(recipe.teacher.student_blocks, recipe.teacher.teacher_blocks, strict=True)
    pairs = {ours // 2: theirs // 2 for ours, theirs in both if ours // 2 not in removed}
    begin, rate = _start(recipe, config, start), _LOW_RATE if config.fusion_layers else _RATE
    values |= {
        "init_from": begin,
        "max_steps": steps,
        "epochs": 0,
        "batch_size": 16,
        "epoch_samples": 16,  # an epoch is a step, so that blocks fade smoothly
        "grad_accum_steps": 1,
        "templates": min(recipe.templates, 2 if recipe.stage == "score" else 1),
        "precision": "auto" if small.dim >= _WIDE else "float32",
        "save_interval": 20,
        "val_interval": 0,
        "data_root": "",
    }
    values["data"] |= {"sets": [{"root": str(data)}], "workers": 0, "cache_mb": 500}
    values["teacher"] |= {"student_blocks": list(pairs), "teacher_blocks": list(pairs.values())}
    values["pruning"] |= {"blocks": removed, "epochs": max(1, round(max(_FADE, fading) * steps))}
    values["optimizer"] |= {
        "lr": rate,
        "backbone_lr": 2e-4 if begin and config.backbone == "vit" else rate,
        "schedule": "cosine",
        "warmup_steps": max(1, round(_WARM * steps)),
        "grad_clip": 1.0,
        "ema_decay": 0.0,
        "freeze_blocks": 0,
    }
    values["crops"] |= {"search_factor": 3.0, "template_factor": 1.5, "center_jitter": 2.0, "scale_jitter": 0.2}
    values["masks"] |= {"decoder_depth": 2, "decoder_dim": 48, "decoder_heads": 2}
    return Recipe.from_dict(values)


def tiny_network(config: ModelConfig, start: Path | None = None) -> dict[str, Any]:
    """Return the fields of a network that are different at this size; `start` is that of `tiny_recipe`."""
    plain = config.backbone == "vit"
    depth = _half_of(min(config.depth, _DEEPEST) if plain else config.depth)
    changed: dict[str, Any] = {"depth": depth, "drop_path": 0.0, "head_dim": 32}
    if plain:
        first = _first_network(start)
        changed |= {name: getattr(first, name) for name in _OF_A_START}
        if config.position == "sincos":
            changed["position"] = first.position  # the fixed tables of the start
    else:
        changed |= _CROPS | _SIZES[config.backbone]
        changed["early_depths"] = tuple(map(_half_of, config.early_depths))
    if config.frozen_norms == "backbone":
        changed["frozen_norms"] = "none"  # there is no start that they could have their values from
    if config.head == "token":
        changed["bins"] = 32
    for name in ("decoder_depth", "cross_blocks"):
        if count := getattr(config, name):
            changed[name] = _half_of(count)
    blocks = sum(changed.get("early_depths", ())) + depth + changed.get("decoder_depth", 0)
    if config.separate_blocks:
        changed["separate_blocks"] = _share(config, blocks, changed.get("cross_blocks", 0))
    return changed


def _first_network(start: Path | None) -> ModelConfig:
    """The network that plain transformers start from; the included one with smaller crops."""
    if start is None:
        return model_config(DEFAULT_MODEL).replace(**_SMALL_CROPS)
    config = read_folder(start).config
    if config.backbone != "vit":
        raise ConfigError(f"{start} holds backbone {config.backbone!r}; give a plain transformer, or none")
    return config


def _share(config: ModelConfig, blocks: int, cross: int) -> int:
    """Blocks that look at one region alone: the same share of `blocks`, all but the crossing ones if it was so."""
    if config.separate_blocks + config.cross_blocks == config.mixing_depth:
        return blocks - cross
    return min(blocks - 1, max(1, round(blocks * config.separate_blocks / config.mixing_depth)))


def _half_of(count: int) -> int:
    """Half of a number of blocks, at least one."""
    return max(1, count // 2)


def _start(recipe: Recipe, config: ModelConfig, start: Path | None) -> str:
    """Initial weights: those of an earlier stage, or `start` in place of a published image model."""
    if not recipe.init_from or Path(recipe.init_from).suffix not in (".pth", ".safetensors", ".npz", ".bin", ".tar"):
        return recipe.init_from
    return str((start or find_weights(DEFAULT_MODEL)) / WEIGHTS_FILE) if config.backbone == "vit" else ""


def toy_sequences(folder: Path, count: int = 8, frames: int = 24, seed: int = 0) -> Path:
    """Draw sequences of a moving striped rectangle among others on noise into `folder`, unless they are there.

    Raises OutputError if they cannot be written.
    """
    make_folder(folder)
    for number in range(count):
        place = folder / f"toy{number:02d}"
        if (place / "groundtruth.txt").is_file():  # it is written last
            continue
        random = np.random.default_rng([seed, number])
        (place / "img").mkdir(parents=True, exist_ok=True)
        things = [_thing(random) for _ in range(3)]
        ground = random.integers(0, 90, (120, 160, 3), dtype=np.uint8)
        boxes = []
        for time in range(frames):
            picture = np.roll(ground, time, 1)
            for look, middle, swing in things:  # the last one is the target
                height, width = look.shape[:2]
                x, y = (middle + swing * np.sin(time / 6 + swing)).astype(int)
                picture[y : y + height, x : x + width] = look
            boxes.append(f"{x},{y},{width},{height}\n")
            file = place / "img" / f"{time + 1:08d}.png"
            write_files({file: partial(PillowImage.fromarray(picture).save, format="PNG")}, sync=False)
        write_text(place / "groundtruth.txt", "".join(boxes))
    return folder


def _thing(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A striped rectangle (h, w, 3), and the middle and the reach of its way, x and y in pixels."""
    height, width = random.integers(16, 36, 2)
    one, two = random.integers(60, 256, (2, 3), dtype=np.uint8)
    stripes = (np.arange(height)[:, None] // 4 + np.arange(width)[None] // random.integers(3, 9)) % 2
    look = np.where(stripes[..., None] == 0, one, two).astype(np.uint8)
    return look, random.uniform((30, 30), (94, 54)), random.uniform(8, 28, 2)
