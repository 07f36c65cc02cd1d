"""Track videos to files: one video or many, in this process or in parallel workers."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.run.batch import VideoWork as VideoWork, track_videos as track_videos
    from mixformer.run.executor import (
        Completed as Completed,
        Executor as Executor,
        Failed as Failed,
        Progressed as Progressed,
        SerialExecutor as SerialExecutor,
        Started as Started,
    )
    from mixformer.run.jobs import VideoJob as VideoJob, read_jobs as read_jobs
    from mixformer.run.multi_target import track_targets as track_targets
    from mixformer.run.notebook_views import TrackView as TrackView
    from mixformer.run.one_video import run_tracker as run_tracker, track as track
    from mixformer.run.outputs import TrackedFrame as TrackedFrame, check_outputs as check_outputs
    from mixformer.run.process_executor import ProcessExecutor as ProcessExecutor
    from mixformer.run.ray_executor import RayExecutor as RayExecutor
    from mixformer.run.result_tables import (
        from_detections as from_detections,
        to_dataframe as to_dataframe,
        to_detections as to_detections,
        to_row as to_row,
    )
    from mixformer.run.to_files import track_video as track_video
    from mixformer.run.video_summary import VideoSummary as VideoSummary
else:
    __getattr__, __dir__, __all__ = lazy_names()
