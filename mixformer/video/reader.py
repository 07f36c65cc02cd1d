"""One way to read frames: a file, a folder of pictures, a webcam or a network stream."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import numpy as np

from mixformer.errors import DataError, SourceError
from mixformer.imaging.images import PICTURES, is_picture, list_pictures, read_image
from mixformer.types import Image

log = logging.getLogger(__name__)

_AHEAD = 8  # frames decoded before they are asked for


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a source.

    Attributes:
        index: its number in the source, from 0; unreadable frames keep their number but do not appear.
        time: seconds from the start of the source, or None if it has no clock.
        image: RGB uint8 (H, W, 3).

    Example:
        >>> from mixformer.video import VideoFrame
        >>> VideoFrame(5, time=0.2, image=None).index
        5
    """

    index: int
    time: float | None
    image: Image


class _Decoder(Protocol):
    """Where frames come from, before the read-ahead thread."""

    fps: float | None
    count: int | None
    skipped: list[int]

    def frames(self) -> Iterator[VideoFrame]: ...

    def close(self) -> None: ...


class VideoSource:
    """Frames of a source in order, decoded ahead in a thread. Use it in a `with` statement and iterate once.

    Attributes:
        name: the source as given.
        fps: frames per second, or None if unknown.
        frame_count: number of frames, or None if unknown (containers may be wrong by a few).
        live: frames come at their own pace, from a camera or the network.
        start: number of the first frame wanted.
        skipped: numbers of frames that could not be read so far.

    Example:
        >>> from mixformer.video import open_video
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> open_video(DEMO_CLIP, stop=10).frames_to_come
        10
    """

    def __init__(self, name: str, decoder: _Decoder, start: int, stop: int | None, live: bool = False) -> None:
        self.name, self._decoder, self.live = name, decoder, live
        self.start, self._stop = start, stop
        self.fps = decoder.fps
        self.frame_count = decoder.count
        self._queue: queue.Queue[VideoFrame | BaseException | None] = queue.Queue(_AHEAD)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def frames_to_come(self) -> int | None:
        """Return the number of frames from `start` to the end wanted, as far as it is known."""
        if self.frame_count is None:
            return None if self._stop is None else self._stop - self.start
        last = max(self.frame_count, 1)
        return max(0, (last if self._stop is None else min(self._stop, last)) - self.start)

    @property
    def skipped(self) -> list[int]:
        """Numbers of the frames that could not be read so far."""
        return self._decoder.skipped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop decoding and release the source."""
        self._ended.set()
        if self._thread is not None:
            while self._thread.is_alive():
                with suppress(queue.Empty):  # make room, so that a waiting thread sees the end
                    self._queue.get_nowait()
                self._thread.join(0.02)
        self._decoder.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Frames from `start` to before `stop`.

        Raises:
            SourceError: if there is not a single readable frame in that range.
        """
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)
        self._thread.start()
        seen = 0
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            seen += 1
            yield item
        if not seen:
            raise SourceError(self._explain_nothing())

    def _decode(self) -> None:
        """Runs in the thread: errors travel through the queue."""
        try:
            for frame in self._decoder.frames():
                if self._stop is not None and frame.index >= self._stop:
                    break
                if frame.index >= self.start and not self._put(frame):
                    return
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, item: VideoFrame | BaseException | None) -> bool:
        while not self._ended.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _explain_nothing(self) -> str:
        if self.skipped:
            return f"{self.name}: none of its {len(self.skipped)} frames can be read; the file is damaged"
        if self.start:
            return f"{self.name} has no frame {self.start}; choose a smaller --start"
        return f"{self.name} holds no frames"


def open_video(source: str | int | Path, start: int = 0, stop: int | None = None) -> VideoSource:
    """Open anything that gives frames.

    Args:
        source: a video file, a folder of pictures (in natural order of their names), a single picture, a webcam number
            (0 is the first) or `/dev/video*`, or an address such as `rtsp://...` or `http://...`.
        start: number of the first frame wanted.
        stop: number after the last frame wanted; None reads to the end.

    Raises:
        SourceError: if there is no such source, it is not a video, or it cannot be opened.

    Example:
        >>> import mixformer
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> with mixformer.open_video(DEMO_CLIP, start=1, stop=3) as video:
        ...     [(frame.index, frame.image.shape[2]) for frame in video]
        [(1, 3), (2, 3)]
    """
    text = str(source)
    if start < 0 or (stop is not None and stop <= start):
        raise SourceError(f"no frames to read from {start} to {stop}: start at 0 or later, and stop after the start")
    if text.isdigit() or text.startswith("/dev/video"):
        return VideoSource(text, _open_camera(text), start, stop, live=True)
    if "://" in text:
        return VideoSource(
            text, _Stream(text, {"rtsp_transport": "tcp"} if text.startswith("rtsp") else {}), start, stop, live=True
        )
    path = Path(text)
    if path.is_dir():
        return VideoSource(text, _Pictures(_pictures_in(path)), start, stop)
    if not path.exists():
        raise SourceError(f"there is no file or folder {path}")
    if is_picture(path):
        return VideoSource(text, _Pictures([path]), start, stop)
    return VideoSource(text, _Stream(text), start, stop)


def _pictures_in(folder: Path) -> list[Path]:
    found = list_pictures(folder)
    if not found:
        raise SourceError(f"the folder {folder} holds no pictures ({', '.join(sorted(PICTURES))})")
    return found


def _open_camera(text: str) -> _Stream:
    device = f"/dev/video{text}" if text.isdigit() else text
    if not Path(device).exists():
        raise SourceError(f"there is no camera {device}; a file named {text!r} can be given as ./{text}")
    return _Stream(device, format="v4l2")


class _Pictures:
    """A list of picture files, one frame each."""

    fps: float | None = None

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.count: int | None = len(paths)
        self.skipped: list[int] = []

    def frames(self) -> Iterator[VideoFrame]:
        for index, path in enumerate(self.paths):
            try:
                image = read_image(path)
            except DataError as error:
                self.skipped.append(index)
                log.warning("skipped frame %d: %s", index, error)
                continue
            yield VideoFrame(index, None, image)

    def close(self) -> None:
        """Nothing stays open between pictures."""


class _Stream:
    """A file, device or address through FFmpeg."""

    def __init__(self, address: str, options: dict[str, str] | None = None, format: str | None = None) -> None:
        try:
            self._container: Any = av.open(address, format=format, options=options or {}, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{address} is not a video that can be read: {error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{address} has no video track")
        self._stream: Any = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else None
        self.count: int | None = self._stream.frames or None
        self.skipped: list[int] = []

    def frames(self) -> Iterator[VideoFrame]:
        index, first = 0, None
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except av.FFmpegError as error:
                self._skip(index, error)
                index += 1
                continue
            for frame in decoded:
                first = frame.time if first is None else first
                time = None if frame.time is None or first is None else frame.time - first
                if frame.is_corrupt:
                    self._skip(index, "corrupt data")
                else:
                    yield VideoFrame(index, time, _upright(frame))
                index += 1

    def _packets(self) -> Iterator[Any]:
        """Packets until the end; a container that breaks off ends the video instead of losing what was read."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                log.warning("the file breaks off: %s", error)
                return
            if packet is None:
                return
            yield packet

    def _skip(self, index: int, reason: object) -> None:
        self.skipped.append(index)
        log.warning("skipped frame %d: %s", index, reason)

    def close(self) -> None:
        self._container.close()


def _upright(frame: Any) -> Image:
    """RGB pixels, turned as the container asks (phones store portrait videos lying down)."""
    image: Image = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
