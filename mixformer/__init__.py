"""Follow one arbitrary object through a video, given its box in the first frame.

import mixformer

for result in mixformer.track("clip.mp4", box=(260, 29, 41, 142)):
    print(result.frame, result.box, result.score)
"""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names, refuse_telemetry

__version__ = "0.2.0"

if TYPE_CHECKING:
    from mixformer.configs.model import ModelConfig as ModelConfig
    from mixformer.configs.runtime import Runtime as Runtime
    from mixformer.configs.tracking_config import TrackerConfig as TrackerConfig
    from mixformer.data import load_dataset as load_dataset
    from mixformer.engines import create_engine as create_engine
    from mixformer.errors import MixFormerError as MixFormerError
    from mixformer.evaluation import evaluate as evaluate
    from mixformer.export import export_model as export_model
    from mixformer.run import track as track, track_video as track_video
    from mixformer.tracking import MultiTracker as MultiTracker, Tracker as Tracker, TrackState as TrackState
    from mixformer.tracking.adapters import OpenCVTracker as OpenCVTracker
    from mixformer.training import train as train
    from mixformer.types import Box as Box, TrackResult as TrackResult
    from mixformer.video import open_video as open_video
    from mixformer.weights import convert as convert
    from mixformer.weights.catalog import list_models as list_models
    from mixformer.weights.load_save import load_model as load_model, save_model as save_model
else:
    __getattr__, __dir__, __all__ = lazy_names()

refuse_telemetry()
