"""Read videos, read targets, draw results, and write annotated videos and box files."""

from typing import TYPE_CHECKING

from mixformer.optional import lazy_names

if TYPE_CHECKING:
    from mixformer.video.draw import Annotator as Annotator
    from mixformer.video.output_formats import (
        OUTPUT_FORMATS as OUTPUT_FORMATS,
        OutputFormat as OutputFormat,
        ResultWriter as ResultWriter,
        open_results as open_results,
    )
    from mixformer.video.pipeline import pipelined as pipelined
    from mixformer.video.random_access import FrameReader as FrameReader, open_frames as open_frames
    from mixformer.video.reader import VideoFrame as VideoFrame, VideoSource as VideoSource, open_video as open_video
    from mixformer.video.targets import Target as Target, as_targets as as_targets, read_targets as read_targets
    from mixformer.video.writer import FrameWriter as FrameWriter, open_writer as open_writer
else:
    __getattr__, __dir__, __all__ = lazy_names()
