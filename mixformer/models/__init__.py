"""Networks. `build_model(config)` makes them."""

from mixformer.configs.model import ModelConfig
from mixformer.models.attention import KVCache
from mixformer.models.mixformer import Memory, MixFormer, Prediction, RawTemplates, SymmetricMixFormer, join_memories
from mixformer.optional import keep_in_cache

__all__ = [
    "KVCache",
    "Memory",
    "MixFormer",
    "Prediction",
    "RawTemplates",
    "SymmetricMixFormer",
    "build_model",
    "join_memories",
]

keep_in_cache("inductor", "triton")  # before the first network is made, when PyTorch chooses its folders


def build_model(config: ModelConfig) -> MixFormer:
    """Build a freshly initialized network on the CPU in float32.

    Args:
        config: the variant; `mixformer.configs.MODELS` lists the variants of the papers.

    Raises:
        ConfigError: if `head_dim` of a corner head is not a multiple of 8.

    Example:
        >>> from mixformer import ModelConfig
        >>> from mixformer.models import build_model
        >>> config = ModelConfig("tiny", depth=1, dim=32, heads=2, search_size=64, template_size=32, bins=16)
        >>> sum(parameter.numel() for parameter in build_model(config).parameters()) > 10_000
        True
    """
    return SymmetricMixFormer(config) if config.attention == "symmetric" else MixFormer(config)
