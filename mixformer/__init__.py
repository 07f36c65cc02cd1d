"""Follow one arbitrary object through a video, given its box in the first frame.

import mixformer

for result in mixformer.track("clip.mp4", box=(260, 29, 41, 142)):
    print(result.frame, result.box, result.score)
"""

# First of all, in the command alone (not in a program that imports the package, or in a worker process): Ctrl-C during
# the other imports ends the process with a line. `signal` is not used, since it imports more before it can be called.
import _signal  # type: ignore[import-not-found]
import os
import sys


def _stop_quietly(number: int, frame: object) -> None:
    os.write(2, b"stopped\n")
    os._exit(130)


_started = sys.orig_argv[-len(sys.argv) :]  # `argv` itself is not complete yet with `python -m`
_is_command = os.path.basename(_started[0] if _started else "") in ("mixformer", "mixformer.exe")
if _is_command and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _stop_quietly)

# ruff: noqa: E402
# ruff: isort: split
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
