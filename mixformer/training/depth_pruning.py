"""Progressive depth pruning: blocks of the student fade out while it learns (MixFormerV2, section 3.2.2).

At rate 0 these blocks change nothing, and `mixformer.weights.pruning.remove_blocks` can remove them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from mixformer.errors import ConfigError
from mixformer.models import MixFormer

PruningVariant = Literal["official", "paper"]


def pruning_rate(epoch: float, length: float = 40.0, variant: PruningVariant = "official") -> float:
    """Return the remaining share of the blocks that fade out, from 1 to 0 along half a cosine (equation 9).

    Args:
        epoch: for "official", the running epoch, from 1; the rate is constant in an epoch. For "paper", epochs done,
            from 0, with fractions.
        length: epochs until the rate is 0. The official code is one epoch ahead, so it ends an epoch earlier.
        variant: "official" or "paper".

    Raises:
        ConfigError: for an epoch before the first, or a length that is not positive.
    """
    first = 1 if variant == "official" else 0
    if epoch < first or length <= 0:
        raise ConfigError(f"the {variant} pruning rate needs epoch >= {first} and length > 0, not {epoch} and {length}")
    done = math.floor(epoch) + 1 if variant == "official" else epoch
    return 0.5 * (1 + math.cos(math.pi * min(done, length) / length))


def depth_scales(factors: Tensor, removed: Sequence[int], rate: float, variant: PruningVariant = "official") -> Tensor:
    """Scale the branches of fading blocks; the result goes to `remember` and `locate`.

    Args:
        factors: (mixing_depth, 2, B) of stochastic depth (`draw_drop_path`), or ones; B may be 1.
        removed: numbers of the fading blocks, from 0.
        rate: remaining share of these blocks, 1 (all) to 0 (nothing).
        variant: "official" scales both branches of a block, so its MLP reads the scaled attention. "paper" (equation 8)
            scales everything that the block adds, so its MLP reads the whole attention.

    Returns:
        (mixing_depth, 2, B) or, for "paper", (mixing_depth, 3, B) with a third factor on the whole block.

    Raises:
        ConfigError: for a block that does not exist.
    """
    _require_blocks(removed, len(factors))
    fade = torch.ones_like(factors[:, :1])
    fade[list(removed)] = rate
    return factors * fade if variant == "official" else torch.cat([factors, fade], 1)


def freeze_removed(model: MixFormer, removed: Sequence[int]) -> None:
    """Freeze the weights of the fading blocks, as the official code does.

    Raises ConfigError for a block that does not exist.
    """
    blocks = [block for stage in model.backbone.parts for block in stage.typed_blocks]
    _require_blocks(removed, len(blocks))
    for index in removed:
        blocks[index].requires_grad_(False)


def _require_blocks(removed: Sequence[int], count: int) -> None:
    if wrong := [i for i in removed if not 0 <= i < count]:
        raise ConfigError(f"cannot prune blocks {wrong}: the network has blocks 0 to {count - 1}")
