"""What the tracker asks of whatever runs the network."""

from __future__ import annotations

from typing import Any, Protocol

from mixformer.config import ModelConfig
from mixformer.types import Image, Location


class Engine(Protocol):
    """Anything that can remember templates and locate a target: eager PyTorch, an exported graph, a fake in a test.

    Engines keep nothing between calls; the memory is a value that the caller holds.
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

    def locate(self, search: Image, memory: Any) -> Location:
        """Find the remembered targets.

        Args:
            search: uint8 RGB (B, s, s, 3).
            memory: what `remember` returned for the same batch.
        """
        ...
