"""Following targets from frame to frame."""

from mixformer.tracking.multi import MultiTracker
from mixformer.tracking.state import TrackState
from mixformer.tracking.tracker import Tracker

__all__ = ["MultiTracker", "TrackState", "Tracker"]
