"""Official state dicts of the whole family, and mmtracking's, in both directions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.weights.check_state_dict import check_state_dict, model_shapes
from mixformer.weights.names import COUNTER, from_mmtracking, is_mmtracking, official_name, to_mmtracking, unused_shapes


def as_official(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict with mmtracking's names under official ones; any other as it is."""
    return {from_mmtracking(key): value for key, value in state.items()} if is_mmtracking(state) else state


def from_official(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename official weights to ours.

    Entries that no forward pass reads are dropped: those of `unused_shapes` and the batch counters of batch norms, both
    of which may be missing.

    Raises:
        CheckpointError: naming every missing, unknown or mis-shaped entry.
    """
    shapes = model_shapes(config)
    names = {official_name(key, config): key for key in shapes}
    expected = {name: shapes[key] for name, key in names.items()}
    check_state_dict(state, expected, "the checkpoint", {**_counters(expected), **unused_shapes(config)})
    return {key: state[name] for name, key in names.items()}


def to_official(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename our weights to the official layout.

    Entries the official classes have but never use are made up with neutral values, so that the official strict
    loader takes the file: zeros, and ones for the scale of the norm.

    Raises:
        CheckpointError: if the weights do not belong to `config`, or to no official network.
    """
    check_state_dict(state, model_shapes(config), config.name)
    renamed = {official_name(key, config): value for key, value in state.items()}
    unused = {key: torch.zeros(shape) for key, shape in unused_shapes(config).items()}
    if "backbone.norm.weight" in unused:
        unused["backbone.norm.weight"] += 1
    learning = [name for name in renamed if name.startswith("box_head.")] if config.frozen_norms != "all" else []
    return renamed | unused | {key: torch.zeros((), dtype=torch.int64) for key in _counters(learning)}


def to_mmtracking_names(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename our weights of a MixCvT to mmtracking's layout; all its batch norms count batches.

    Raises:
        CheckpointError: if the weights do not belong to `config`, or the network is no MixCvT.
    """
    official = to_official(state, config)
    official |= {key: torch.zeros((), dtype=torch.int64) for key in _counters(official)}
    return {to_mmtracking(key): value for key, value in official.items()}


def _counters(names: Mapping[str, object] | list[str]) -> dict[str, tuple[int, ...]]:
    """The batch counter of every batch norm among the names."""
    mean = ".running_mean"
    return {f"{name.removesuffix(mean)}.{COUNTER}": () for name in names if name.endswith(mean)}
