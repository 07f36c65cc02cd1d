"""Networks. `build_model(config)` is the one way to make one."""

from mixformer.config import ModelConfig
from mixformer.models.attention import KeyValue
from mixformer.models.mixformer import Memory, MixFormer, Prediction, SymmetricMixFormer, Uncached, join

__all__ = ["KeyValue", "Memory", "MixFormer", "Prediction", "SymmetricMixFormer", "Uncached", "build_model", "join"]


def build_model(config: ModelConfig) -> MixFormer:
    """A freshly initialised network on the CPU in float32."""
    return SymmetricMixFormer(config) if config.attention == "symmetric" else MixFormer(config)
