"""The interface of all engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mixformer.configs.model import ModelConfig
from mixformer.types import EngineOutput, Image


class Engine(Protocol):
    """The interface of an engine: it encodes templates and locates targets. Any class with these methods is an engine.

    The caller holds the memories. Between calls, an engine keeps only buffers, and no result depends on them. An engine
    must let threads take turns, and must be picklable if its trackers are pickled.

    Example:
        >>> import numpy as np
        >>> from mixformer.engines import create_engine
        >>> engine = create_engine("mixformerv2_dino_s8")
        >>> template, search = engine.config.template_size, engine.config.search_size
        >>> memory = engine.remember(np.zeros((1, 2, template, template, 3), np.uint8))
        >>> engine.locate(np.zeros((1, search, search, 3), np.uint8), memory).boxes.shape
        (1, 4)
    """

    config: ModelConfig

    def remember(self, templates: Image) -> Any:
        """Encode templates.

        Args:
            templates: uint8 RGB (B, N, t, t, 3), the static template first.

        Returns:
            A memory for `locate`; opaque to the caller.
        """
        ...

    def locate(self, search: Image, memory: Any) -> EngineOutput:
        """Find the remembered targets.

        Args:
            search: uint8 RGB (B, s, s, 3).
            memory: what `remember` or `join` returned for the same batch.
        """
        ...

    def join(self, memories: Sequence[Any]) -> Any:
        """Join the memories of single targets (batches of 1, with equal numbers of templates) into one batch."""
        ...
