"""Make smaller networks from larger ones: remove blocks, or narrow MLPs. Nothing is trained here.

The result is the initial student of a distillation (MixFormerV2, section 3.2.2). It must be trained afterwards, unless
`mixformer.training.distillation` has faded out the removed blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.weights.state_dicts import check_state_dict, model_shapes

State = dict[str, Tensor]

_FIRST_LAYER = re.compile(r"backbone\..*\.mlp\.fc1\.weight")


def remove_blocks(
    state: Mapping[str, Tensor], config: ModelConfig, removed: Sequence[int]
) -> tuple[State, ModelConfig]:
    """Remove blocks (numbers from 0 over all mixed-attention blocks), and number the remaining ones again.

    Only the stage that `config.depth` counts can lose blocks: the last one of a MixCvT, the transformer of a ConvMAE,
    but not the decoder blocks of "+DN". All else is kept unchanged, position tables too (the official conversion drops
    the fixed tables and computes the same values again). The new state dict shares its tensors with the old one. Raises
    ConfigError for a block that does not exist or cannot be removed, or if no block would remain.
    """
    check_state_dict(state, model_shapes(config), config.name)
    kept = blocks_left(config, removed)
    chain = "" if len(config.stages) == 1 else f"stages.{len(config.early_heads)}."
    prefix = f"backbone.{chain}blocks."
    new: State = {}
    for key, value in state.items():
        if not key.startswith(prefix):
            new[key] = value
            continue
        number, rest = key.removeprefix(prefix).split(".", 1)
        if int(number) in kept:
            new[f"{prefix}{kept.index(int(number))}.{rest}"] = value
    elimination = [(kept.index(block), count) for block, count in config.elimination if block in kept[:-1]]
    name = _renamed(config, f"{len(kept)}blocks", not removed)
    apart = sum(number < config.separate_blocks for number in set(removed))
    crossing = sum(number >= config.mixing_depth - config.cross_blocks for number in set(removed))
    return new, config.replace(
        depth=len(kept),
        elimination=elimination,
        separate_blocks=config.separate_blocks - apart,
        cross_blocks=config.cross_blocks - crossing,
        name=name,
    )


def blocks_left(config: ModelConfig, removed: Sequence[int]) -> list[int]:
    """List the blocks that remain, by number in the stage that `config.depth` counts; errors as `remove_blocks`.

    A block that chooses search tokens can be removed only together with all blocks after it.
    """
    numbers = _numbers(config)
    if wrong := sorted(set(removed) - set(numbers)):
        raise ConfigError(
            f"cannot remove blocks {wrong} of {config.name}: only {numbers[0]} to {numbers[-1]} can be removed"
        )
    kept = [index for index, number in enumerate(numbers) if number not in removed]
    if not kept:
        raise ConfigError(f"cannot remove all {config.depth} blocks of {config.name}; leave at least one")
    if choosing := [block for block, _ in config.elimination if block not in kept and block < kept[-1]]:
        raise ConfigError(
            f"cannot remove block {choosing[0]} of {config.name}, because search tokens are left out after it; change "
            "the elimination first (mixformer prune --eliminate)"
        )
    return kept


def eliminate_tokens(
    state: Mapping[str, Tensor], config: ModelConfig, elimination: Sequence[tuple[int, int]]
) -> tuple[State, ModelConfig]:
    """Change the elimination of search tokens, as in `ModelConfig`; the weights stay unchanged."""
    kept = "keep" + "_".join(str(count) for _, count in elimination) if elimination else "keepall"
    same = tuple(elimination) == config.elimination
    return dict(state), config.replace(elimination=elimination, name=_renamed(config, kept, same))


def first_blocks(state: Mapping[str, Tensor], config: ModelConfig, count: int) -> tuple[State, ModelConfig]:
    """Keep the first blocks of the stage that `config.depth` counts: "Tea-fir4" of the supplement for 4 of 12.

    "MAE-fir4" does not need this: `load_pretrained` gives a network of 4 blocks the first 4 of the file.
    """
    _check_count(config, count)
    return remove_blocks(state, config, _numbers(config)[count:])


def skip_blocks(state: Mapping[str, Tensor], config: ModelConfig, count: int) -> tuple[State, ModelConfig]:
    """Keep blocks at even distances, including the last one: "Tea-skip4" of the supplement for 4 of 12."""
    return remove_blocks(state, config, skipped_blocks(config, count))


def skipped_blocks(config: ModelConfig, count: int) -> tuple[int, ...]:
    """Choose the blocks to remove, so that `count` blocks at even distances remain.

    Of 12 blocks, `count` 4 keeps the 3rd, 6th, 9th and 12th (the supplement's choice). `count` 8 removes the 1st, 4th,
    7th and 10th (the official choice for progressive pruning).
    """
    _check_count(config, count)
    kept = {-(-(index + 1) * config.depth // count) - 1 for index in range(count)}
    return tuple(number for index, number in enumerate(_numbers(config)) if index not in kept)


def reduce_mlp(
    state: Mapping[str, Tensor], config: ModelConfig, ratio: float, keep: Literal["first", "strongest"] = "first"
) -> tuple[State, ModelConfig]:
    """Narrow the hidden layer of every MLP of the backbone to `ratio` times its stage's width; 1 made MixFormerV2-S.

    "first" is the paper's slice `w[:d1', :d2']`. "strongest" (not in the paper) keeps the hidden units with the largest
    product of the norms of their incoming and outgoing weights, in their old order. The output of a unit is its
    activation times its outgoing weights, so units with a small product matter least. Raises ConfigError if the ratio
    leaves no hidden unit, or is above that of the network.
    """
    check_state_dict(state, model_shapes(config), config.name)
    narrowest = min(config.final_dim, config.dim, *config.early_dims)
    if not (ratio <= config.mlp_ratio and round(narrowest * ratio) >= 1):  # false for NaN too
        raise ConfigError(
            f"cannot reduce mlp_ratio {config.mlp_ratio:g} of {config.name} to {ratio:g}; give a smaller value that "
            f"leaves hidden units ({1 / narrowest:.2g} or more)"
        )
    if keep not in ("first", "strongest"):
        raise ConfigError(f"unknown choice of hidden units {keep!r}; use first or strongest")
    new = dict(state)
    for key in filter(_FIRST_LAYER.fullmatch, state):
        bias, second = key.replace("fc1.weight", "fc1.bias"), key.replace("fc1.weight", "fc2.weight")
        width = round(state[key].shape[1] * ratio)
        units = torch.arange(width) if keep == "first" else _strongest(state[key], state[second], width)
        units = units.to(state[key].device)
        new[key], new[bias] = state[key][units], state[bias][units]
        new[second] = state[second][:, units]
    return new, config.replace(mlp_ratio=ratio, name=_renamed(config, f"mlp{ratio:g}", ratio == config.mlp_ratio))


def _strongest(first: Tensor, second: Tensor, width: int) -> Tensor:
    """Choose hidden units by the product of the norms of their weights (hidden, in, ...) and (out, hidden, ...)."""
    strength = first.float().flatten(1).norm(dim=1) * second.float().transpose(0, 1).flatten(1).norm(dim=1)
    return torch.sort(strength.topk(width).indices).values


def _numbers(config: ModelConfig) -> range:
    """Return the numbers of the stage that `config.depth` counts, among all mixed-attention blocks."""
    start = config.mixing_depth - config.decoder_depth - config.depth
    return range(start, start + config.depth)


def _check_count(config: ModelConfig, count: int) -> None:
    if not 1 <= count <= config.depth:
        raise ConfigError(
            f"cannot keep {count} of the {config.depth} blocks of {config.name}; keep 1 to {config.depth}"
        )


def _renamed(config: ModelConfig, change: str, same: bool) -> str:
    return config.name if same else f"{config.name}_{change}"


CUTS: dict[str, Callable[..., tuple[State, ModelConfig]]] = {
    "keep_first": first_blocks,
    "skip": skip_blocks,
    "remove": remove_blocks,
    "mlp_ratio": reduce_mlp,
    "eliminate": eliminate_tokens,
}
"""Ways to make a smaller network, by the options of `mixformer prune`: (state, config, value) -> (state, config)."""
