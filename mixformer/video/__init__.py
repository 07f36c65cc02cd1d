"""Read videos, read targets, draw results, and write annotated videos and box files."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.video.draw import Annotator
    from mixformer.video.output_formats import OUTPUT_FORMATS, OutputFormat, ResultWriter, open_results
    from mixformer.video.pipeline import pipelined
    from mixformer.video.reader import VideoFrame, VideoSource, open_video
    from mixformer.video.targets import Target, as_targets, read_targets
    from mixformer.video.writer import FrameWriter, open_writer

__all__ = [
    "OUTPUT_FORMATS",
    "Annotator",
    "FrameWriter",
    "OutputFormat",
    "ResultWriter",
    "Target",
    "VideoFrame",
    "VideoSource",
    "as_targets",
    "open_results",
    "open_video",
    "open_writer",
    "pipelined",
    "read_targets",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "OUTPUT_FORMATS": "mixformer.video.output_formats",
        "Annotator": "mixformer.video.draw",
        "FrameWriter": "mixformer.video.writer",
        "OutputFormat": "mixformer.video.output_formats",
        "ResultWriter": "mixformer.video.output_formats",
        "Target": "mixformer.video.targets",
        "VideoFrame": "mixformer.video.reader",
        "VideoSource": "mixformer.video.reader",
        "as_targets": "mixformer.video.targets",
        "open_results": "mixformer.video.output_formats",
        "open_video": "mixformer.video.reader",
        "open_writer": "mixformer.video.writer",
        "pipelined": "mixformer.video.pipeline",
        "read_targets": "mixformer.video.targets",
    },
)
