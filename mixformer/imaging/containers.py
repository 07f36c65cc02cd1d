"""Open video files with FFmpeg, find their main track, and turn frames upright. Lists of other files are refused."""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np

from mixformer.types import Image

_VIDEO_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,evc,av1,obu,ivf,"
    "flv,live_flv,kux,asf,asf_o,ogg,gif,apng,mjpeg,mjpeg_2000,mpjpeg,smjpeg,mxf,gxf,lxf,dv,nut,yuv4mpegpipe,rm,swf,nsv,wtv,"
    "dirac,vc1,vc1test,avs,avs2,avs3,cavsvideo,dnxhd,pva,ty,dhav,nuv,vivo,cine,r3d,ivr,mv,roq,smk,bink,flic,film_cpk,idcin,"
    "4xm,wav,mp3,flac,aac,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,jpegxl_anim"
)  # FFmpeg's single-file formats; play-lists and patterns of names would open other files
_LENIENT: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
# so that titles in a broken encoding are read; PyAV 19 has no such option, and reads them
_PARTS = 1000  # parts of an MP4 file that are looked at; a whole one has four or so
_NETWORK = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def open_container(
    address: str | Path, format: str | None = None, options: dict[str, str] | None = None, timeout: float | None = None
) -> Any:
    """Open a video with FFmpeg: a path, device or address. A local file must have a single-file format.

    A local play-list (m3u8, ffconcat, mpd, sdp) is refused, since FFmpeg would read any file that it names. A play-list
    in a network is accepted, since FFmpeg opens no local files for it. `format` and `options` are FFmpeg's; `timeout`
    is in seconds, for the opening and for each packet. Raises av.FFmpegError, OSError or ValueError, which `explain`
    words.
    """
    address, more = str(address), dict(options or {})
    if format is None and not _NETWORK.match(address):
        more["format_whitelist"] = _VIDEO_FORMATS
        if os.path.exists(address):  # an absolute path, so that FFmpeg takes no name such as 12:30.mp4 for a protocol
            address = os.path.abspath(address)
            more["protocol_whitelist"] = "file"
    times = None if timeout is None else (timeout, timeout)
    return av.open(address, format=format, options=more, timeout=times, **_LENIENT)


def explain(address: str | Path, error: Exception) -> str:
    """Say why a video cannot be opened, and what to do."""
    if Path(address).is_file() and _is_list(Path(address)):
        return f"{address} is not a video but a list of other files; give one of these, or the address of a stream"
    if Path(address).is_file() and _lacks_index(Path(address)):
        return (
            f"{address} is an incomplete MP4 or MOV file: its index, often written last, is missing, and nothing can "
            "be read without it; copy, download or record it again"
        )
    if isinstance(error, av.ArgumentError | av.InvalidDataError):
        return f"{address} is not a video that can be read: give a video file such as MP4, or convert it with ffmpeg"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            f"{address} cannot be opened, since too many files are open; raise the limit, for example with "
            "`ulimit -n 4096`, or track fewer videos at a time"
        )
    if _NETWORK.match(str(address)):
        why = getattr(error, "strerror", None) or error  # the text of an error of FFmpeg repeats the address
        return f"{address} cannot be opened: {why}; check the address, and that the server is running"
    return f"{address} is not a video that can be read: {error}; check the path and its permissions"


def _is_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    signs = (b"#EXTM3U", b"ffconcat", b"v=0", b"<MPD", b"[playlist]", b"<playlist", b"<?xml")
    return any(sign in head for sign in signs)


def _lacks_index(path: Path) -> bool:
    """Tell whether a file has the parts of an MP4 or MOV file, and not the one that lists its frames."""
    found, place = set(), 0
    try:
        with path.open("rb") as file:
            for _ in range(_PARTS):
                length, kind = struct.unpack(">I4s", file.read(8))
                if length == 1:  # the length did not fit
                    (length,) = struct.unpack(">Q", file.read(8))
                found.add(kind)
                if length < 8:  # to the end of the file, or damaged
                    break
                place += length
                file.seek(place)
    except (OSError, OverflowError, struct.error):  # struct: the end of the file
        pass
    return b"ftyp" in found and b"mdat" in found and b"moov" not in found


def videos_in(container: Any) -> list[Any]:
    """List the video tracks that can be decoded, without attached cover pictures."""
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return [each for each in container.streams.video if not each.disposition & still and each.codec_context is not None]


def main_video(container: Any) -> Any:
    """Return the video track that a player shows. Raises IndexError if there is none."""
    videos = videos_in(container)
    best = container.streams.best("video")
    return best if best in videos else videos[0]


def upright(frame: Any, width: int | None = None) -> Image:
    """Convert a frame to RGB uint8 (H, W, 3), turned upright as phones ask for, at most `width` pixels wide."""
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    size = {}
    if width is not None and width < (across := frame.height if turns % 2 else frame.width):
        size = {side: max(1, round(getattr(frame, side) * width / across)) for side in ("width", "height")}
    image: Image = frame.to_ndarray(format="rgb24", **size)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
