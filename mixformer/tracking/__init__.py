"""Track targets from frame to frame: trackers, and their state as a value."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.configs.tracking_config import TrackerConfig as TrackerConfig
    from mixformer.tracking.adapters import (
        Got10kTracker as Got10kTracker,
        OpenCVTracker as OpenCVTracker,
        PytrackingTracker as PytrackingTracker,
    )
    from mixformer.tracking.factory import TrackerFactory as TrackerFactory
    from mixformer.tracking.multi import MultiTracker as MultiTracker
    from mixformer.tracking.state import TrackState as TrackState
    from mixformer.tracking.tracker import Tracker as Tracker
else:
    __getattr__, __dir__, __all__ = lazy_names()
