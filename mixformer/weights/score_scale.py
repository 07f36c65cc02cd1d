"""Scale and shift the logit of a score head, inside its last linear layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError

_LAST_LAYERS = {"token": "out", "token_mean": "out", "spm": "layers.2"}
"""Name of the last linear layer by kind of score head. Scale and offset may be applied before a mean over tokens."""


def require_score_head(config: ModelConfig) -> str:
    """Return the name of the score head's last layer. Raises ConfigError if the network has no score head."""
    if config.score not in _LAST_LAYERS:
        raise ConfigError(f"{config.name} has no score head, so there is no score to calibrate; use a model with one")
    return f"score_head.{_LAST_LAYERS[config.score]}"


def scale_score(state: Mapping[str, Tensor], config: ModelConfig, scale: float, offset: float) -> dict[str, Tensor]:
    """Change the score's logit to `scale` * logit + `offset`; all else stays unchanged.

    Args:
        state: our state dict of `config`.
        config: sizes of the network.
        scale: factor above 0, so that the order of scores stays.
        offset: offset in logits.

    Returns:
        The new state dict, which shares all other tensors with the old one.

    Raises:
        ConfigError: if the network has no score head, or the scale is not above 0.
    """
    layer = require_score_head(config)
    if not scale > 0:
        raise ConfigError(f"the scale of a score must be above 0, not {scale:g}: a higher score must stay higher")
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    return {**state, weight: state[weight] * scale, bias: state[bias] * scale + offset}
