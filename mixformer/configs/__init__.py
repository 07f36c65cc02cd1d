"""Frozen configurations of networks and trackers: plain data, free of PyTorch."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.model import ModelConfig
    from mixformer.configs.presets import PRESETS, tracker_config
    from mixformer.configs.runtime import Runtime
    from mixformer.configs.tracker import TrackerConfig
    from mixformer.configs.variants import MODELS, model_config

__all__ = ["MODELS", "PRESETS", "ModelConfig", "Runtime", "TrackerConfig", "model_config", "tracker_config"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MODELS": "mixformer.configs.variants",
        "ModelConfig": "mixformer.configs.model",
        "PRESETS": "mixformer.configs.presets",
        "Runtime": "mixformer.configs.runtime",
        "TrackerConfig": "mixformer.configs.tracker",
        "model_config": "mixformer.configs.variants",
        "tracker_config": "mixformer.configs.presets",
    },
)
