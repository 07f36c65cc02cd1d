"""What an engine says about a template, to compare it with others (`mixformer.tracking.likeness`)."""

from __future__ import annotations

from typing import Protocol

from mixformer.configs.model import ModelConfig
from mixformer.engines.engine_spec import Engine
from mixformer.errors import ConfigError
from mixformer.types import FloatArray, Image


class DescribingEngine(Engine, Protocol):
    """An engine that can also describe a template. With others, a tracker compares nothing (`likeness_weight`)."""

    def describe(self, template: Image) -> FloatArray:
        """Describe what a template shows, to compare it with others (`mixformer.tracking.likeness`).

        Args:
            template: uint8 RGB (t, t, 3).

        Returns:
            A vector for each token, (T, C): the values of the middle block. Networks of several stages, and those that
            remember nothing, have none: a ConfigError.
        """
        ...


def middle_block(config: ModelConfig) -> int:
    """Return the number of the block whose values describe a template (`DescribingEngine.describe`).

    Raises ConfigError for a network of several stages, or one with blocks that remember nothing.
    """
    if len(config.stages) > 1 or config.attention == "symmetric" or set(config.reaches) != {"all"}:
        raise ConfigError(f"{config.name} cannot describe templates; set likeness_weight to 0")
    return config.depth // 2
