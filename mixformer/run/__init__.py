"""Track videos to files: one video or many, in this process or in parallel workers."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.run.batch import VideoWork, track_videos
    from mixformer.run.executor import Completed, Executor, Failed, Progressed, SerialExecutor, Started
    from mixformer.run.jobs import VideoJob, read_jobs
    from mixformer.run.multi_target import track_targets
    from mixformer.run.one_video import run_tracker, track
    from mixformer.run.outputs import TrackedFrame, check_outputs
    from mixformer.run.process_executor import ProcessExecutor
    from mixformer.run.ray_executor import RayExecutor
    from mixformer.run.to_files import track_video
    from mixformer.run.video_loop import VideoSummary

__all__ = [
    "Completed",
    "Executor",
    "Failed",
    "ProcessExecutor",
    "Progressed",
    "RayExecutor",
    "SerialExecutor",
    "Started",
    "TrackedFrame",
    "VideoJob",
    "VideoSummary",
    "VideoWork",
    "check_outputs",
    "read_jobs",
    "run_tracker",
    "track",
    "track_targets",
    "track_video",
    "track_videos",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Completed": "mixformer.run.executor",
        "Executor": "mixformer.run.executor",
        "Failed": "mixformer.run.executor",
        "ProcessExecutor": "mixformer.run.process_executor",
        "Progressed": "mixformer.run.executor",
        "RayExecutor": "mixformer.run.ray_executor",
        "SerialExecutor": "mixformer.run.executor",
        "Started": "mixformer.run.executor",
        "TrackedFrame": "mixformer.run.outputs",
        "VideoJob": "mixformer.run.jobs",
        "VideoSummary": "mixformer.run.video_loop",
        "VideoWork": "mixformer.run.batch",
        "check_outputs": "mixformer.run.outputs",
        "read_jobs": "mixformer.run.jobs",
        "run_tracker": "mixformer.run.one_video",
        "track": "mixformer.run.one_video",
        "track_targets": "mixformer.run.multi_target",
        "track_video": "mixformer.run.to_files",
        "track_videos": "mixformer.run.batch",
    },
)
