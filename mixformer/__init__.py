"""Follow one arbitrary object through a video, given its box in the first frame.

import mixformer

for result in mixformer.track("clip.mp4", box=(260, 29, 41, 142)):
    print(result.frame, result.box, result.score)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mixformer._version import __version__ as __version__

if TYPE_CHECKING:
    from mixformer.configs.model import ModelConfig
    from mixformer.configs.runtime import Runtime
    from mixformer.configs.tracker import TrackerConfig
    from mixformer.data import load_dataset
    from mixformer.engines import create_engine
    from mixformer.errors import MixFormerError
    from mixformer.evaluation import evaluate
    from mixformer.export import export_model
    from mixformer.run import track, track_video
    from mixformer.tracking import MultiTracker, Tracker, TrackState
    from mixformer.tracking.adapters import OpenCVTracker
    from mixformer.training import train
    from mixformer.types import Box, TrackResult
    from mixformer.video import open_video
    from mixformer.weights import convert
    from mixformer.weights.catalog import list_models
    from mixformer.weights.load_save import load_model, save_model


# Where each public name lives; a module is imported when its first name is used, so that `import mixformer` is quick.
_HOMES = {
    "Box": "mixformer.types",
    "MixFormerError": "mixformer.errors",
    "ModelConfig": "mixformer.configs.model",
    "MultiTracker": "mixformer.tracking",
    "OpenCVTracker": "mixformer.tracking.adapters",
    "Runtime": "mixformer.configs.runtime",
    "TrackResult": "mixformer.types",
    "TrackState": "mixformer.tracking",
    "Tracker": "mixformer.tracking",
    "TrackerConfig": "mixformer.configs.tracker",
    "convert": "mixformer.weights",
    "create_engine": "mixformer.engines",
    "evaluate": "mixformer.evaluation",
    "export_model": "mixformer.export",
    "list_models": "mixformer.weights.catalog",
    "load_dataset": "mixformer.data",
    "load_model": "mixformer.weights.load_save",
    "open_video": "mixformer.video",
    "save_model": "mixformer.weights.load_save",
    "track": "mixformer.run",
    "track_video": "mixformer.run",
    "train": "mixformer.training",
}

__all__ = [
    "Box",
    "MixFormerError",
    "ModelConfig",
    "MultiTracker",
    "OpenCVTracker",
    "Runtime",
    "TrackResult",
    "TrackState",
    "Tracker",
    "TrackerConfig",
    "convert",
    "create_engine",
    "evaluate",
    "export_model",
    "list_models",
    "load_dataset",
    "load_model",
    "open_video",
    "save_model",
    "track",
    "track_video",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mixformer' has no attribute {name!r}")
    from mixformer.optional import explain_missing

    with explain_missing(f"mixformer.{name}"):
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
