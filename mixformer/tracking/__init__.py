"""Follow targets from frame to frame: trackers, and their state as a value."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.tracker import TrackerConfig
    from mixformer.tracking.adapters import Got10kTracker, OpenCVTracker, PytrackingTracker
    from mixformer.tracking.factory import TrackerFactory
    from mixformer.tracking.multi import MultiTracker
    from mixformer.tracking.state import TrackState
    from mixformer.tracking.tracker import Tracker

__all__ = [
    "Got10kTracker",
    "MultiTracker",
    "OpenCVTracker",
    "PytrackingTracker",
    "TrackState",
    "Tracker",
    "TrackerConfig",
    "TrackerFactory",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Got10kTracker": "mixformer.tracking.adapters",
        "MultiTracker": "mixformer.tracking.multi",
        "OpenCVTracker": "mixformer.tracking.adapters",
        "PytrackingTracker": "mixformer.tracking.adapters",
        "TrackState": "mixformer.tracking.state",
        "Tracker": "mixformer.tracking.tracker",
        "TrackerConfig": "mixformer.configs.tracker",
        "TrackerFactory": "mixformer.tracking.factory",
    },
)
