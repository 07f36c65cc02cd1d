"""Follow one arbitrary object through a video, given its box in the first frame.

import mixformer

for result in mixformer.track("clip.mp4", box=(260, 29, 41, 142)):
    print(result.frame_index, result.box, result.score)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixformer.config import ModelConfig, TrackerConfig
    from mixformer.engines import create_engine
    from mixformer.errors import MixFormerError
    from mixformer.run import track
    from mixformer.tracking import MultiTracker, Tracker, TrackState
    from mixformer.tracking.adapters import OpenCVTracker
    from mixformer.types import Box, TrackResult
    from mixformer.video import open_video
    from mixformer.weights.registry import list_models
    from mixformer.weights.store import load_model, save_model

__version__ = "0.1.0"

# Where each public name lives; a module is imported when its first name is used, so that `import mixformer` is quick.
_HOMES = {
    "Box": "mixformer.types",
    "MixFormerError": "mixformer.errors",
    "ModelConfig": "mixformer.config",
    "MultiTracker": "mixformer.tracking",
    "OpenCVTracker": "mixformer.tracking.adapters",
    "TrackResult": "mixformer.types",
    "TrackState": "mixformer.tracking",
    "Tracker": "mixformer.tracking",
    "TrackerConfig": "mixformer.config",
    "create_engine": "mixformer.engines",
    "list_models": "mixformer.weights.registry",
    "load_model": "mixformer.weights.store",
    "open_video": "mixformer.video",
    "save_model": "mixformer.weights.store",
    "track": "mixformer.run",
}

__all__ = [
    "Box",
    "MixFormerError",
    "ModelConfig",
    "MultiTracker",
    "OpenCVTracker",
    "TrackResult",
    "TrackState",
    "Tracker",
    "TrackerConfig",
    "create_engine",
    "list_models",
    "load_model",
    "open_video",
    "save_model",
    "track",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mixformer' has no attribute {name!r}")
    from mixformer.optional import explain_missing

    with explain_missing(f"mixformer.{name}"):
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
