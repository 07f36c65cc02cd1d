"""Track videos to files: one video or many, in this process or in parallel workers."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.run.executor import Executor, ProcessExecutor, SerialExecutor
    from mixformer.run.multi_target import track_targets
    from mixformer.run.one_video import follow, track

__all__ = ["Executor", "ProcessExecutor", "SerialExecutor", "follow", "track", "track_targets"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Executor": "mixformer.run.executor",
        "ProcessExecutor": "mixformer.run.executor",
        "SerialExecutor": "mixformer.run.executor",
        "follow": "mixformer.run.one_video",
        "track": "mixformer.run.one_video",
        "track_targets": "mixformer.run.multi_target",
    },
)
