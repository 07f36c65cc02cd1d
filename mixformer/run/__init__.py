"""From sources to results: trackers, readers and writers put together."""

from mixformer.run.many import follow_many
from mixformer.run.single import follow, track

__all__ = ["follow", "follow_many", "track"]
