"""The kinds of videos that can be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixformer.errors import OutputError
from mixformer.files.places import require_name
from mixformer.imaging.images import is_picture

DEFAULT_FPS = 25.0
"""Frames per second of a video that does not tell."""
_H264 = {"crf": "20", "preset": "veryfast", "tune": "zerolatency"}  # no frame waits for another, so none is lost
_VP9 = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "row-mt": "1", "crf": "30", "b": "0"}
_FLUSHED = {"flush_packets": "1", "max_interleave_delta": "500000"}  # microseconds
_MP4 = {**_FLUSHED, "movflags": "hybrid_fragmented", "frag_duration": "500000"}
_MKV = {**_FLUSHED, "cluster_time_limit": "500"}  # milliseconds


@dataclass(frozen=True)
class VideoFormat:
    """A kind of video file. A new one needs an entry in `VIDEO_FORMATS` and nothing else."""

    container: str  # name of FFmpeg's muxer
    codec: str  # name of FFmpeg's encoder
    pixels: str = "yuv420p"  # pixel format of the encoder
    options: Mapping[str, str] = field(default_factory=dict)  # of the encoder
    # Options of the muxer; what is written is to be playable half a second later, whatever happens then.
    muxing: Mapping[str, str] = field(default_factory=lambda: _FLUSHED)
    ticks: int = 90_000  # units of the clock in a second; 0 counts frames, for containers without times
    copied: frozenset[str] = frozenset()  # codecs of sound that are copied as they are
    sound: str = ""  # encoder of all other sound; "" for formats without sound
    tagged: bool = True  # the file says how its colors are meant; otherwise they are BT.601's
    continued: bool = True  # a file that was interrupted can be continued

    @property
    def unpacked(self) -> str:
        """Filter that gives the packets of a file the form in which the encoder made them; empty for none."""
        return "h264_mp4toannexb" if self.codec == "libx264" else ""


_MP4_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"})
_MKV_SOUND = _MP4_SOUND | _PCM | {"opus", "vorbis", "flac"}
_WEBM_SOUND = frozenset({"opus", "vorbis"})
_MP4_FORMAT = VideoFormat("mp4", "libx264", options=_H264, muxing=_MP4, copied=_MP4_SOUND, sound="aac")

VIDEO_FORMATS = {
    ".mp4": _MP4_FORMAT,
    ".m4v": _MP4_FORMAT,
    ".mov": VideoFormat("mov", "libx264", options=_H264, muxing=_MP4, copied=_MP4_SOUND | _PCM, sound="aac"),
    ".mkv": VideoFormat("matroska", "libx264", options=_H264, muxing=_MKV, copied=_MKV_SOUND, sound="aac"),
    # AVI has no times of frames: its sound is written without gaps, and its pictures in a codec that never reorders.
    ".avi": VideoFormat("avi", "mpeg4", options={"qmin": "2", "qmax": "5"}, ticks=0, sound="pcm_s16le", tagged=False),
    ".webm": VideoFormat("webm", "libvpx-vp9", options=_VP9, muxing=_MKV, copied=_WEBM_SOUND, sound="libopus"),
    ".gif": VideoFormat("gif", "gif", pixels="rgb8", ticks=100, tagged=False, continued=False),
}
"""All kinds of video files by the ending of their names."""


def frames_of_segment(fps: float | None) -> int:
    """Return the number of frames, about a second, after which an encoder starts again and a run can be resumed."""
    return min(max(round(fps or DEFAULT_FPS), 10), 60)


def require_video(path: Path) -> VideoFormat | None:
    """Return the format of a video file by its name, or None for a folder of pictures: no ending, or a folder.

    Raises OutputError if the ending is of no format that can be written, or no file can have this name.
    """
    require_name(path)
    if path.name.lower() in VIDEO_FORMATS and not path.is_dir():  # as of "$NAME.mp4", where NAME is empty
        raise OutputError(f"{path} is an ending without a name; give one, such as tracked{path.name}")
    if not path.suffix or path.is_dir():
        return None
    if chosen := VIDEO_FORMATS.get(path.suffix.lower()):
        return chosen
    unknown = f"cannot be written, since {path.suffix} is no video format"
    what = "is the name of one picture" if is_picture(path) else unknown
    kinds = ", ".join(ending[1:] for ending in VIDEO_FORMATS)
    raise OutputError(f"{path} {what}; there are {kinds}, and a folder of PNG pictures (a name without an ending)")
