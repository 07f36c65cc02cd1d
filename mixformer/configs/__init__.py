"""Frozen configurations of networks and trackers: plain data, free of PyTorch."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.model import ModelConfig as ModelConfig
    from mixformer.configs.presets import PRESETS as PRESETS, tracker_config as tracker_config
    from mixformer.configs.runtime import Runtime as Runtime
    from mixformer.configs.tracking_config import TrackerConfig as TrackerConfig
    from mixformer.configs.variants import MODELS as MODELS, model_config as model_config
else:
    __getattr__, __dir__, __all__ = lazy_names()
