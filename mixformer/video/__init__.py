"""Frames in, pictures and boxes out."""

from mixformer.video.reader import VideoFrame, VideoSource, open_video
from mixformer.video.results import ResultWriter, open_results
from mixformer.video.writer import FrameWriter, open_writer

__all__ = ["FrameWriter", "ResultWriter", "VideoFrame", "VideoSource", "open_results", "open_video", "open_writer"]
