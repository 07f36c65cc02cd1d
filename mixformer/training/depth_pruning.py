"""Progressive depth pruning: blocks of the student fade out while it learns (MixFormerV2, section 3.2.2).

Once their rate is 0 they change nothing, and `mixformer.weights.pruning.remove_blocks` takes them out.
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
    """Remaining share of the blocks that fade out, from 1 to 0 along half a cosine (equation 9).

    Args:
        epoch: "official": the running epoch counted from 1, in which the rate is constant; "paper": epochs done,
            from 0, with fractions.
        length: epochs until 0. The official code is always one epoch ahead, so it ends an epoch earlier.
        variant: see `epoch`.

    Raises:
        ConfigError: for an epoch before the first, or a length that is not positive.
    """
    first = 1 if variant == "official" else 0
    if epoch < first or length <= 0:
        raise ConfigError(f"the {variant} pruning rate needs epoch >= {first} and length > 0, not {epoch} and {length}")
    done = math.floor(epoch) + 1 if variant == "official" else epoch
    return 0.5 * (1 + math.cos(math.pi * min(done, length) / length))


def depth_scales(factors: Tensor, removed: Sequence[int], rate: float, variant: PruningVariant = "official") -> Tensor:
    """Factors of the branches of all blocks, some of which fade out, for `remember` and `locate`.

    Args:
        factors: (mixing_depth, 2, B) of stochastic depth (`draw_drop_path`), or ones; B may be 1.
        removed: numbers of the fading blocks, from 0.
        rate: remaining share of these blocks: 1 = all, 0 = nothing.
        variant: "official" scales both branches of a block, so its MLP sees the faded attention; "paper" (equation 8)
            scales all that the block adds, so its MLP sees the whole attention.

    Returns:
        (mixing_depth, 2, B) or, for "paper", (mixing_depth, 3, B) with a third factor on the whole block.

    Raises:
        ConfigError: for a block that does not exist.
    """
    if wrong := [i for i in removed if not 0 <= i < len(factors)]:
        raise ConfigError(f"cannot prune blocks {wrong}: the network has blocks 0 to {len(factors) - 1}")
    fade = torch.ones_like(factors[:, :1])
    fade[list(removed)] = rate
    return factors * fade if variant == "official" else torch.cat([factors, fade], 1)


def freeze_removed(model: MixFormer, removed: Sequence[int]) -> None:
    """Freeze the weights of the fading blocks, as the official code does.

    Raises ConfigError for a block that does not exist.
    """
    blocks = [block for stage in model.backbone.parts for block in stage.typed_blocks]
    if wrong := [i for i in removed if not 0 <= i < len(blocks)]:
        raise ConfigError(f"cannot prune blocks {wrong}: the network has blocks 0 to {len(blocks) - 1}")
    for index in removed:
        blocks[index].requires_grad_(False)
