"""Positions of an edge."""

import pytest

from mixformer import ModelConfig
from mixformer.errors import ConfigError


def test_an_edge_needs_two_positions():
    """One was an untyped error of the loss (torture bench, recipes:41:32)."""
    sizes = {"depth": 1, "dim": 32, "heads": 1, "patch_size": 16, "search_size": 64, "template_size": 32}
    assert ModelConfig("two", **sizes, bins=2).bins == 2
    with pytest.raises(ConfigError, match="bins"):
        ModelConfig("one", **sizes, bins=1)
