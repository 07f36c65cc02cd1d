"""Rename the entries of official state dicts, and of mmtracking's MixCvT, to the names of this package and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import CheckpointError
from mixformer.weights.state_dicts import check_state_dict, model_shapes

COUNTER = "num_batches_tracked"
_CLASSES = 1000  # ImageNet, in the unused classifier
_BASE_IMAGE = 224  # the unused position table belongs to images of this side

RenameRules = list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]


def rename_rules(*pairs: tuple[str, str | Callable[[re.Match[str]], str]]) -> RenameRules:
    """Compile pairs of a pattern of a whole name and its replacement, for `rename`."""
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


def _conv_stem(kind: str, index: int, rest: str) -> str:
    """Rename ConvMAE's stem: official parts count from 1, and the convolution is called `attn`."""
    if kind == "embed":
        return f"backbone.patch_embed{index + 1}.{rest}"
    return f"backbone.blocks{index + 1}.{rest.replace('.mix.', '.attn.')}"


_BLOCK = r"(\d+\.(?:norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\..*)"

# Ours -> official, per backbone. `ls1.gamma` is timm's name, since no official file has LayerScale.
_BACKBONES: dict[str, RenameRules] = {
    "vit": rename_rules(
        (r"backbone\.patch_embed\.(.*)", r"backbone.patch_embed.proj.\1"),
        (r"backbone\.blocks\.(\d+)\.scale([12])", r"backbone.blocks.\1.ls\2.gamma"),
        (rf"backbone\.blocks\.{_BLOCK}", r"backbone.blocks.\1"),
    ),
    "convmae": rename_rules(
        (r"backbone\.patch_embed\.(embed|block)s\.(\d)\.(.*)", lambda m: _conv_stem(m[1], int(m[2]), m[3])),
        (r"backbone\.patch_embed\.proj\.(.*)", r"backbone.patch_embed4.\1"),
        (r"backbone\.blocks\.(\d+)\.scale([12])", r"backbone.blocks3.\1.ls\2.gamma"),
        (rf"backbone\.blocks\.{_BLOCK}", r"backbone.blocks3.\1"),
    ),
    "cvt": rename_rules(
        (r"backbone\.stages\.(\d)\.(patch_embed\..*)", r"backbone.stage\1.\2"),
        (r"backbone\.stages\.(\d)\.(blocks\.\d+\.attn)\.([qkv])\w+_conv\.conv\.(.*)",
         r"backbone.stage\1.\2.conv_proj_\3.conv.\4"),
        (r"backbone\.stages\.(\d)\.(blocks\.\d+\.attn)\.([qkv])\w+_conv\.norm\.(.*)",
         r"backbone.stage\1.\2.conv_proj_\3.bn.\4"),
        (r"backbone\.stages\.(\d)\.(blocks\.\d+\.attn)\.([qkv])(?:uery|ey|alue)\.(.*)",
         r"backbone.stage\1.\2.proj_\3.\4"),
        (rf"backbone\.stages\.(\d)\.blocks\.{_BLOCK}", r"backbone.stage\1.blocks.\2"),
    ),
}  # fmt: skip
_SHARED = rename_rules(
    (r"backbone\.pos_search", "backbone.pos_embed_s"),
    (r"backbone\.pos_template", "backbone.pos_embed_t"),
    (r"backbone\.pos_tokens", "backbone.pos_embed_reg"),
    (r"backbone\.tokens", "backbone.reg_tokens"),
    (r"box_head\.hidden\.(.*)", r"box_head.layers.0.0.\1"),
    (r"box_head\.hidden_norm\.(.*)", r"box_head.layers.0.1.\1"),
    (r"box_head\.bins\.(.*)", r"box_head.layers.1.0.\1"),
    (r"box_head\.bins_norm\.(.*)", r"box_head.layers.1.1.\1"),
    (r"box_head\.(tl|br)\.(\w+)\.(.*)", r"box_head.\2_\1.\3"),
    (r"score_head\.hidden\.(.*)", r"score_head.layers.0.0.\1"),
    (r"score_head\.out\.(.*)", r"score_head.layers.1.\1"),
    (r"score_head\.token", "score_branch.score_token"),
    (r"score_head\.norm\.(.*)", r"score_branch.norm1.\1"),
    (r"score_head\.cross_attentions\.([01])\.norm\.(.*)", r"score_branch.norm2.\1.\2"),
    (r"score_head\.cross_attentions\.([01])\.proj\.(.*)", r"score_branch.proj.\1.\2"),
    (r"score_head\.cross_attentions\.([01])\.(q|k|v)\w+\.(.*)", r"score_branch.proj_\2.\1.\3"),
    (r"score_head\.layers\.(.*)", r"score_branch.score_head.layers.\1"),
)

# mmtracking -> official (facts read from its model files; the score module has had two names).
_MMTRACKING = rename_rules(
    (
        r"head\.bbox_head\.(tl|br)_corner_pred\.([0-3])\.(conv|bn)\.(.*)",
        lambda m: f"box_head.conv{int(m[2]) + 1}_{m[1]}.{int(m[3] == 'bn')}.{m[4]}",
    ),
    (r"head\.bbox_head\.(tl|br)_corner_pred\.4\.(.*)", r"box_head.conv5_\1.\2"),
    (r"head\.(?:score_decoder_head|score_head)\.(.*)", r"score_branch.\1"),
    (r"(backbone\..*\.mlp\.)layers\.0\.0\.(.*)", r"\1fc1.\2"),
    (r"(backbone\..*\.mlp\.)layers\.1\.(.*)", r"\1fc2.\2"),
    (r"(backbone\..*)", r"\1"),
)
_TO_MMTRACKING = rename_rules(
    (
        r"box_head\.conv([1-4])_(tl|br)\.([01])\.(.*)",
        lambda m: f"head.bbox_head.{m[2]}_corner_pred.{int(m[1]) - 1}.{('conv', 'bn')[int(m[3])]}.{m[4]}",
    ),
    (r"box_head\.conv5_(tl|br)\.(.*)", r"head.bbox_head.\1_corner_pred.4.\2"),
    (r"score_branch\.(.*)", r"head.score_decoder_head.\1"),
    (r"(backbone\..*\.mlp\.)fc1\.(.*)", r"\1layers.0.0.\2"),
    (r"(backbone\..*\.mlp\.)fc2\.(.*)", r"\1layers.1.\2"),
    (r"(backbone\..*)", r"\1"),
)


def official_name(key: str, config: ModelConfig) -> str:
    """Return the official name of one of our state dict entries; CheckpointError for a part that none has."""
    backbone = config.backbone if len(config.stages) == len(config.early_heads) + 1 else ""
    name = rename(key, [*_BACKBONES.get(backbone, []), *_SHARED])
    if name is None:
        raise CheckpointError(f"the official layout has no place for {key}; save a model folder instead")
    return name


def is_mmtracking(state: Mapping[str, object]) -> bool:
    """Tell whether a state dict has mmtracking's names."""
    return any(key.startswith("head.bbox_head.") for key in state)


def unused_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of official entries that no computation uses: the remains of an image classifier."""
    if not config.unused_keys:
        return {}
    dim = config.dim
    norm: dict[str, tuple[int, ...]] = {"backbone.norm.weight": (dim,), "backbone.norm.bias": (dim,)}
    if config.backbone == "convmae":
        return norm
    classifier = {"backbone.head.weight": (_CLASSES, dim), "backbone.head.bias": (_CLASSES,)}
    if config.backbone == "cvt":
        return norm | classifier
    places = (_BASE_IMAGE // config.patch_size) ** 2 + 1
    return norm | classifier | {"backbone.cls_token": (1, 1, dim), "backbone.pos_embed": (1, places, dim)}


def rename(key: str, rules: RenameRules) -> str | None:
    """Rename by the first rule that fits; None if there is none."""
    for pattern, replacement in rules:
        if match := pattern.fullmatch(key):
            return match.expand(replacement) if isinstance(replacement, str) else replacement(match)
    return None


def as_official(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Rename mmtracking's names of a state dict to official ones; unknown names, and any other dict, stay unchanged."""
    if not is_mmtracking(state):
        return state
    return {rename(key, _MMTRACKING) or key: value for key, value in state.items()}


def from_official(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename official weights to ours; CheckpointError lists the missing, unknown and mis-shaped entries.

    The entries of `unused_shapes` and the batch counters of batch norms are dropped, since no computation uses them.
    They may be missing.
    """
    shapes = model_shapes(config)
    names = {official_name(key, config): key for key in shapes}
    expected = {name: shapes[key] for name, key in names.items()}
    check_state_dict(state, expected, "the checkpoint", {**_counters(expected), **unused_shapes(config)})
    return {key: state[name] for name, key in names.items()}


def to_official(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename our weights to the official layout.

    Entries that the official classes have but never use get neutral values (zeros, and ones for the scale of the norm),
    so that the official strict loader accepts the file.
    """
    check_state_dict(state, model_shapes(config), config.name)
    renamed = {official_name(key, config): value for key, value in state.items()}
    unused = {key: torch.zeros(shape) for key, shape in unused_shapes(config).items()}
    if "backbone.norm.weight" in unused:
        unused["backbone.norm.weight"] += 1
    learning = [name for name in renamed if name.startswith("box_head.")] if config.frozen_norms != "all" else []
    return renamed | unused | {key: torch.zeros((), dtype=torch.int64) for key in _counters(learning)}


def to_mmtracking_names(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename our weights of a MixCvT to mmtracking's layout, which has batch counters for all batch norms."""
    official = to_official(state, config)
    official |= {key: torch.zeros((), dtype=torch.int64) for key in _counters(official)}
    renamed = {}
    for key, value in official.items():
        if (name := rename(key, _TO_MMTRACKING)) is None:
            what = "it supports only MixCvT with a plain corner head"
            raise CheckpointError(f"mmtracking has no place for {key}: {what}")
        renamed[name] = value
    return renamed


def _counters(names: Mapping[str, object] | list[str]) -> dict[str, tuple[int, ...]]:
    """Return the batch counter of each batch norm among the names."""
    mean = ".running_mean"
    return {f"{name.removesuffix(mean)}.{COUNTER}": () for name in names if name.endswith(mean)}
