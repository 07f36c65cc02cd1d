"""Read frames, write annotated videos and box files."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.video.box_files import ResultWriter, open_results
    from mixformer.video.pipeline import pipelined
    from mixformer.video.reader import VideoFrame, VideoSource, open_video
    from mixformer.video.targets import Target, read_targets
    from mixformer.video.writer import FrameWriter, open_writer

__all__ = [
    "FrameWriter",
    "ResultWriter",
    "Target",
    "VideoFrame",
    "VideoSource",
    "open_results",
    "open_video",
    "open_writer",
    "pipelined",
    "read_targets",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FrameWriter": "mixformer.video.writer",
        "ResultWriter": "mixformer.video.box_files",
        "Target": "mixformer.video.targets",
        "VideoFrame": "mixformer.video.reader",
        "VideoSource": "mixformer.video.reader",
        "open_results": "mixformer.video.box_files",
        "open_video": "mixformer.video.reader",
        "open_writer": "mixformer.video.writer",
        "pipelined": "mixformer.video.pipeline",
        "read_targets": "mixformer.video.targets",
    },
)
