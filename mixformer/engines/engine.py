"""What the tracker asks of whatever runs the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mixformer.configs.model import ModelConfig
from mixformer.types import EngineOutput, Image


class Engine(Protocol):
    """Anything that can remember templates and locate a target: eager PyTorch, an exported graph, a fake in a test.

    Memories are values that the caller holds; what an engine keeps between calls are buffers, nothing that a result
    depends on. One engine serves one thread at a time.
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
        """The memories of single targets (each of a batch of 1, with equally many templates) as one batch, in order."""
        ...
