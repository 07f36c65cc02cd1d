"""Check fields of a network's configuration that depend on each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixformer.configs.model import ModelConfig

Require = Callable[[bool, str], None]  # raises ConfigError with the message if the condition is false


def check_integration(config: ModelConfig, require: Require) -> None:
    """Check the fields that choose the blocks in which templates and search region are mixed."""
    blocks, last = config.mixing_depth, config.stages[-1].depth
    for name, most in (("separate_blocks", blocks), ("cross_blocks", last), ("fusion_layers", 64)):
        value = getattr(config, name)
        require(0 <= value <= most, f"{name} must be in 0..{most}, not {value}")
    parts = config.separate_blocks + config.cross_blocks
    require(parts <= blocks, f"separate_blocks and cross_blocks must be at most {blocks} together, not {parts}")
    require(
        config.dense or not (config.cross_blocks or config.fusion_layers),
        "cross_blocks and fusion_layers need a dense head, which reads the search region",
    )


def check_elimination(config: ModelConfig, require: Require) -> None:
    """Check the elimination of search tokens."""
    if not config.elimination:
        return
    require(
        not config.dense and config.score != "spm" and config.attention == "asymmetric" and not config.separate_blocks,
        "elimination needs prediction tokens, heads that read nothing else, and asymmetric attention in all blocks",
    )
    require(
        config.backbone != "cvt" and not config.decoder_depth,
        "elimination needs a plain backbone without a decoder: other blocks read whole maps",
    )
    blocks, counts = zip(*config.elimination, strict=True)
    require(_rising(-1, *blocks), f"elimination: blocks must rise from 0 or more, not {list(blocks)}")
    require(_rising(0, *reversed(counts)), f"elimination: counts must fall and stay above 0, not {list(counts)}")
    require(
        blocks[-1] < config.depth - 1,
        f"elimination: block {blocks[-1]} must be before the last one, {config.depth - 1}, to save anything",
    )
    require(
        counts[0] <= config.search_grid**2,
        f"elimination: {counts[0]} is more than the {config.search_grid**2} search tokens",
    )


def _rising(*values: int) -> bool:
    return all(a < b for a, b in itertools.pairwise(values))
