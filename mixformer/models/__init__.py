"""Networks. `build_model(config)` is the one way to make one."""

from mixformer.configs.model import ModelConfig
from mixformer.models.attention import KVCache
from mixformer.models.mixformer import Memory, MixFormer, Prediction, RawTemplates, SymmetricMixFormer, join_memories

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


def build_model(config: ModelConfig) -> MixFormer:
    """A freshly initialized network on the CPU in float32."""
    return SymmetricMixFormer(config) if config.attention == "symmetric" else MixFormer(config)
