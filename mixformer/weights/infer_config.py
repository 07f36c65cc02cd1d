"""Find the sizes of a network from the shapes of an official state dict."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import MODELS
from mixformer.errors import CheckpointError
from mixformer.models.layers import sincos_table
from mixformer.weights.official_names import COUNTER

State = Mapping[str, Tensor]

_TABLES = ("backbone.pos_embed_s", "backbone.pos_embed_t")
_HEAD_WIDTH = 64  # channels of an attention head in every official network


def infer_config(state: State, overrides: Mapping[str, Any] | None = None) -> ModelConfig:
    """Find the configuration of official weights from shapes and position tables: a named variant if all sizes match.

    Values that the weights do not contain are assumed unless `overrides` gives them: 64 channels per attention head,
    ImageNet mean and standard deviation, and for MixCvT crops of 320 and 128 pixels and QuickGELU. Position tables on
    the device "meta" have no numbers, so only the sizes identify a variant then. Raises CheckpointError if the state
    dict is of another model family or lacks an entry with sizes, and ConfigError if the sizes contradict each other.
    """
    overrides = {} if overrides is None else overrides
    if "backbone.stage0.patch_embed.proj.weight" in state:
        found = _cvt(state)
    elif "backbone.patch_embed1.proj.weight" in state:
        found = _convmae(state)
    else:
        found = _vit(state)
    found |= _box_head(state) | {"score": _score(state)}
    found["prediction_tokens"] = 4 if found["head"] == "token" else 0
    found["frozen_norms"] = _frozen_norms(state, found)
    found["unused_keys"] = found["head"] != "token" and "backbone.norm.weight" in state
    found |= overrides
    if "heads" not in overrides:
        found["heads"] = _heads(found["dim"])
    kind = "mixformerv2" if found["head"] == "token" else "mixcvt" if found.get("backbone") == "cvt" else "mixvit"
    config = ModelConfig(name=f"{kind}_{found['depth']}x{found['dim']}", **found)
    return _named(config, shapes_only=any(state[key].is_meta for key in _TABLES if key in state))


def _vit(state: State) -> dict[str, Any]:
    dim, _, patch, _ = _shape(state, "backbone.patch_embed.proj.weight", 4)
    return _transformer(state, "backbone.blocks", dim, patch) | {"patch_size": patch}


def _convmae(state: State) -> dict[str, Any]:
    dims = [_shape(state, f"backbone.patch_embed{i}.proj.weight", 4)[0] for i in (1, 2, 3)]
    return _transformer(state, "backbone.blocks3", dims[2], 16) | {
        "backbone": "convmae",
        "early_dims": tuple(dims[:2]),
        "early_depths": tuple(_count(state, f"backbone.blocks{i}") for i in (1, 2)),
    }


def _cvt(state: State) -> dict[str, Any]:
    dims = [_shape(state, f"backbone.stage{i}.patch_embed.proj.weight", 4)[0] for i in range(3)]
    depths = [_count(state, f"backbone.stage{i}.blocks") for i in range(3)]
    return {
        "backbone": "cvt",
        "depth": depths[2],
        "dim": dims[2],
        "early_dims": tuple(dims[:2]),
        "early_depths": tuple(depths[:2]),
        "early_heads": tuple(_heads(dim) for dim in dims[:2]),
        "mlp_ratio": _shape(state, "backbone.stage0.blocks.0.mlp.fc1.weight", 2)[0] / dims[0],
        "activation": "quick_gelu",
        "position": "none",
        "search_size": 320,
        "template_size": 128,
    }


def _transformer(state: State, blocks: str, dim: int, patch: int) -> dict[str, Any]:
    """Find the sizes of a plain transformer, without its stem."""
    return {
        "depth": _count(state, blocks),
        "dim": dim,
        "mlp_ratio": _shape(state, f"{blocks}.0.mlp.fc1.weight", 2)[0] / dim,
        "search_size": _grid(state, "backbone.pos_embed_s") * patch,
        "template_size": _grid(state, "backbone.pos_embed_t") * patch,
        "position": "sincos" if _is_sincos(state, dim) else "frozen",
        "layer_scale": f"{blocks}.0.ls1.gamma" in state,
    }


def _box_head(state: State) -> dict[str, Any]:
    """Find the kind, bins and first width of the box head; values that a kind does not use keep their default."""
    if "box_head.conv1_tl.0.weight" in state:
        kind = "pyramid" if "box_head.adjust1_tl.0.weight" in state else "corner"
        return {"head": kind, "head_dim": _shape(state, "box_head.conv1_tl.0.weight", 4)[0]}
    return {"head": "token", "bins": _shape(state, "box_head.layers.1.0.weight", 2)[0]}


def _score(state: State) -> str:
    if "score_branch.score_token" in state:
        return "spm"
    return "token" if "score_head.layers.0.0.weight" in state else "none"


def _frozen_norms(state: State, found: Mapping[str, Any]) -> str:
    """Find which norms are frozen. Only a head that still learns has batch counters; with a score it is frozen."""
    if found["head"] == "token":
        return "none"
    if found["score"] == "spm" or not any(key.startswith("box_head.") and key.endswith(COUNTER) for key in state):
        return "all"
    return "backbone" if found.get("backbone") == "cvt" else "none"


def _shape(state: State, key: str, dimensions: int) -> tuple[int, ...]:
    if key not in state:
        some = ", ".join(list(state)[:3])
        raise CheckpointError(
            f"not a checkpoint of the MixFormer family: it lacks {key} (its first entries: {some}); check the file"
        )
    shape = tuple(state[key].shape)
    if len(shape) != dimensions or 0 in shape:
        raise CheckpointError(f"{key} has shape {shape}, expected {dimensions} dimensions above 0; check the file")
    return shape


def _count(state: State, blocks: str) -> int:
    """Count the blocks under a name: one more than the highest number."""
    pattern = re.compile(re.escape(blocks) + r"\.([0-9]{1,9})\.")
    return 1 + max((int(match[1]) for key in state if (match := pattern.match(key))), default=-1)


def _heads(dim: int) -> int:
    if dim % _HEAD_WIDTH:
        raise CheckpointError(
            f"cannot tell the number of attention heads from width {dim} (no multiple of 64); give it in `overrides`"
        )
    return dim // _HEAD_WIDTH


def _grid(state: State, key: str) -> int:
    count = _shape(state, key, 3)[1]
    side = math.isqrt(count)
    if side * side != count:
        raise CheckpointError(f"{key} has {count} positions, which is not a square grid; check the file")
    return side


def _is_sincos(state: State, dim: int) -> bool:
    """Tell whether both tables equal the fixed ones. The two official ways to compute these differ by 3e-6."""
    for key in _TABLES:
        table = state[key].float()
        if table.is_meta:  # no numbers: see `_named`
            return False
        if table.shape[2] != dim or dim % 4:
            return False
        if not (table - sincos_table(dim, _grid(state, key))).abs().max() <= 1e-4:  # true for NaN as well
            return False
    return True


def _named(config: ModelConfig, shapes_only: bool) -> ModelConfig:
    """Return the named variant with the same sizes, or else `config`. Training settings and unused entries may differ.

    With `shapes_only`, the kind of position tables may differ too.
    """
    for known in MODELS.values():
        tables = known.position if shapes_only and known.backbone == config.backbone else config.position
        settings = {"name": known.name, "drop_path": known.drop_path, "unused_keys": known.unused_keys}
        if config.replace(**settings, position=tables) == known:
            return known.replace(unused_keys=config.unused_keys)
    return config
