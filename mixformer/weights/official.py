"""Official state dicts of MixFormerV2 and its MixViT teachers: names in both directions, sizes read from shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mixformer.config import ModelConfig
from mixformer.errors import CheckpointError
from mixformer.models.layers import sincos_table
from mixformer.variants import MODELS
from mixformer.weights.fit import model_shapes, require_fit

# Ours -> official. `ls1.gamma` is no official name, since no official file has LayerScale: it is the one timm uses.
_RENAMES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"backbone\.patch_embed\.(.*)", r"backbone.patch_embed.proj.\1"),
        (r"backbone\.pos_search", "backbone.pos_embed_s"),
        (r"backbone\.pos_template", "backbone.pos_embed_t"),
        (r"backbone\.pos_tokens", "backbone.pos_embed_reg"),
        (r"backbone\.tokens", "backbone.reg_tokens"),
        (r"backbone\.blocks\.(\d+)\.scale([12])", r"backbone.blocks.\1.ls\2.gamma"),
        (r"box_head\.hidden\.(.*)", r"box_head.layers.0.0.\1"),
        (r"box_head\.hidden_norm\.(.*)", r"box_head.layers.0.1.\1"),
        (r"box_head\.bins\.(.*)", r"box_head.layers.1.0.\1"),
        (r"box_head\.bins_norm\.(.*)", r"box_head.layers.1.1.\1"),
        (r"box_head\.(tl|br)\.(\w+)\.(.*)", r"box_head.\2_\1.\3"),
        (r"score_head\.hidden\.(.*)", r"score_head.layers.0.0.\1"),
        (r"score_head\.out\.(.*)", r"score_head.layers.1.\1"),
        (r"backbone\.blocks\.(\d+\.(?:norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\..*)", r"backbone.blocks.\1"),
    )
]

_COUNTER = "num_batches_tracked"
_CLASSES = 1000  # ImageNet, in the unused classifier
_BASE_IMAGE = 224  # the unused position table belongs to images of this side


def official_name(key: str) -> str:
    """The official name of one of our state dict entries."""
    for pattern, replacement in _RENAMES:
        if match := pattern.fullmatch(key):
            return match.expand(replacement)
    raise CheckpointError(f"the official layout has no place for {key}")


def from_official(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename official weights to ours.

    Entries that no forward pass reads (see `unused_shapes`) are dropped; batch counters of batch norms, which only
    unfrozen heads carry, may be missing and are then 0.

    Raises:
        CheckpointError: naming every missing, unknown or mis-shaped entry.
    """
    shapes = model_shapes(config)
    names = {official_name(key): key for key in shapes}
    counters = {name: shapes[key] for name, key in names.items() if name.endswith(_COUNTER)}
    expected = {name: shapes[key] for name, key in names.items() if name not in counters}
    require_fit(state, expected, "the checkpoint", {**counters, **unused_shapes(config)})
    found = {key: state[name] for name, key in names.items() if name in state}
    return found | {names[name]: torch.zeros((), dtype=torch.int64) for name in counters if name not in state}


def to_official(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename our weights to the official layout.

    Entries the official classes have but never use are made up with neutral values, so that the official strict
    loader takes the file: zeros, and ones for the scale of the norm.

    Raises:
        CheckpointError: if the weights do not belong to `config`.
    """
    require_fit(state, model_shapes(config), config.name)
    renamed = {official_name(key): value for key, value in state.items()}
    unused = {key: torch.zeros(shape) for key, shape in unused_shapes(config).items()}
    if "backbone.norm.weight" in unused:
        unused["backbone.norm.weight"] += 1
    return renamed | unused


def unused_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Official entries that exist in the file but in no computation: what MixViT inherits from an image classifier."""
    if not config.unused_keys:
        return {}
    dim = config.dim
    return {
        "backbone.cls_token": (1, 1, dim),
        "backbone.pos_embed": (1, (_BASE_IMAGE // config.patch_size) ** 2 + 1, dim),
        "backbone.norm.weight": (dim,),
        "backbone.norm.bias": (dim,),
        "backbone.head.weight": (_CLASSES, dim),
        "backbone.head.bias": (_CLASSES,),
    }


def infer_config(state: Mapping[str, Tensor], heads: int | None = None) -> ModelConfig:
    """The configuration of official weights, from their shapes and position tables.

    What no weight tells is assumed: 64 channels per attention head, ImageNet mean and standard deviation.

    Args:
        state: official state dict.
        heads: number of attention heads, where it is not `dim / 64`.

    Returns:
        A named variant if all sizes are those of one, else a configuration with a descriptive name.

    Raises:
        CheckpointError: if the state dict is of another model family or lacks what the sizes are read from.
        ConfigError: if the sizes contradict each other.
    """
    _require_family(state)
    dim, _, patch, _ = _shape(state, "backbone.patch_embed.proj.weight", 4)
    head, bins, head_dim = _box_head(state)
    depth = 1 + max((int(k.split(".")[2]) for k in state if re.match(r"backbone\.blocks\.\d+\.", k)), default=-1)
    config = ModelConfig(
        name=f"{'mixformerv2' if head == 'token' else 'mixvit'}_{depth}x{dim}",
        depth=depth,
        dim=dim,
        heads=heads or _heads(dim),
        mlp_ratio=_shape(state, "backbone.blocks.0.mlp.fc1.weight", 2)[0] / dim,
        patch_size=patch,
        search_size=_grid(state, "backbone.pos_embed_s") * patch,
        template_size=_grid(state, "backbone.pos_embed_t") * patch,
        position="sincos" if _is_sincos(state, dim) else "frozen",
        layer_scale="backbone.blocks.0.ls1.gamma" in state,
        prediction_tokens=4 if head == "token" else 0,
        head=head,  # type: ignore[arg-type]
        bins=bins,
        head_dim=head_dim,
        score="token" if "score_head.layers.0.0.weight" in state else "none",
        unused_keys=head != "token" and "backbone.cls_token" in state,
    )
    return _named(config)


def _require_family(state: Mapping[str, Tensor]) -> None:
    others = {
        "backbone.stage0.": "MixCvT",
        "backbone.patch_embed1.": "MixViT (ConvMAE)",
        "score_branch.": "MixViT with a score branch (first MixFormer, online)",
    }
    for prefix, family in others.items():
        if any(key.startswith(prefix) for key in state):
            raise CheckpointError(f"this is a {family} checkpoint; MixFormerV2 and score-less MixViT can be read")


def _shape(state: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    if key not in state:
        some = ", ".join(list(state)[:3])
        raise CheckpointError(f"not a MixFormerV2 or MixViT checkpoint: it lacks {key} (it begins with {some})")
    if state[key].dim() != dimensions:
        raise CheckpointError(f"{key} has shape {tuple(state[key].shape)}, expected {dimensions} dimensions")
    return tuple(state[key].shape)


def _box_head(state: Mapping[str, Tensor]) -> tuple[str, int, int]:
    """Kind, bins and first width of the box head; what a kind does not use keeps its default."""
    default = ModelConfig("defaults", depth=1)
    if "box_head.conv1_tl.0.weight" in state:
        kind = "pyramid" if "box_head.adjust1_tl.0.weight" in state else "corner"
        return kind, default.bins, _shape(state, "box_head.conv1_tl.0.weight", 4)[0]
    return "token", _shape(state, "box_head.layers.1.0.weight", 2)[0], default.head_dim


def _heads(dim: int) -> int:
    if dim % 64:
        raise CheckpointError(
            f"cannot tell the number of attention heads from width {dim} (no multiple of 64): give it"
        )
    return dim // 64


def _grid(state: Mapping[str, Tensor], key: str) -> int:
    count = _shape(state, key, 3)[1]
    side = math.isqrt(count)
    if side * side != count:
        raise CheckpointError(f"{key} has {count} positions, which is not a square grid")
    return side


def _is_sincos(state: Mapping[str, Tensor], dim: int) -> bool:
    """Both tables equal the fixed ones; the two official ways to compute those differ by 3e-6, far below 1e-4."""
    for key in ("backbone.pos_embed_s", "backbone.pos_embed_t"):
        table = state[key].float()
        if table.shape[2] != dim or dim % 4:
            return False
        if not (table - sincos_table(dim, _grid(state, key))).abs().max() <= 1e-4:  # true for NaN as well
            return False
    return True


def _named(config: ModelConfig) -> ModelConfig:
    """The named variant with the same sizes, if there is one; training settings and unused entries do not count."""
    for known in MODELS.values():
        if replace(config, name=known.name, drop_path=known.drop_path, unused_keys=known.unused_keys) == known:
            return replace(known, unused_keys=config.unused_keys)
    return config
