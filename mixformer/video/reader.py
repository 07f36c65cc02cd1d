"""Read frames of a file, a folder of pictures, a camera or a network stream."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from mixformer.errors import SourceError
from mixformer.imaging.images import is_picture
from mixformer.types import Image
from mixformer.video.cameras import camera_input, is_camera
from mixformer.video.feed import Decoder, End, Feed, RawFrame, fill
from mixformer.video.live import LiveStream, open_stream
from mixformer.video.pictures import Pictures, pictures_in
from mixformer.video.source_names import (
    frame_range,
    is_pipe,
    require_event,
    require_source,
    require_timeout,
    source_text,
)
from mixformer.video.stream import Stream, open_stream_container

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds to wait for a camera or an address, to open and for each further frame."""

_SAY_AFTER = 3.0  # seconds without a frame after which a message is logged
_LEAVE_AFTER = 1.0  # seconds after which the thread of a live source that does not end is abandoned


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a source.

    Attributes:
        index: number in the source, from 0. Unreadable frames are left out, but their numbers are counted.
        time: seconds from the start of the source, or None if it has no clock.
        image: RGB uint8 (H, W, 3).
        damaged: an earlier frame that it was made from could not be read, so the picture may be wrong.

    Example:
        >>> from mixformer.video import VideoFrame
        >>> VideoFrame(5, time=0.2, image=None).index
        5
    """

    index: int
    time: float | None
    image: Image
    damaged: bool = False


class VideoSource:
    """The frames of a source in order, decoded in advance in a thread. Use it in a `with` statement, and iterate once.

    Attributes:
        name: the source as given.
        fps: frames per second, or None if unknown.
        frame_count: number of frames, or None if unknown (containers may be wrong by a few).
        live: frames come at their own pace, from a camera or the network.
        start: number of the first wanted frame.
        stop: number after the last wanted frame; None for the end.

    Example:
        >>> from mixformer.video import open_video
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> open_video(DEMO_CLIP, stop=10).frames_to_come
        10
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        start: int,
        stop: int | None,
        every_frame: bool = False,
        over: threading.Event | None = None,
        may_stall: bool = False,
    ) -> None:
        self.name, self._decoder, self.live = name, decoder, decoder.live
        self.start, self.stop = start, stop
        self.fps = decoder.fps
        self.frame_count = decoder.count
        self._feed = Feed(decoder.live and not every_frame, over)
        self._may_stall = may_stall
        feed = self._feed  # not `self`, so that a source that nobody reads is released
        decoder.wanted = lambda: not feed.ended
        self._thread: threading.Thread | None = None
        self._size: tuple[int, int] | None = None
        self._finish: Any = weakref.finalize(self, _abandon, self._feed, decoder.close)
        self._finish.atexit = False

    @property
    def frames_to_come(self) -> int | None:
        """Number of frames from `start` to `stop`, or None if unknown."""
        if self.frame_count is None:
            return None if self.stop is None else self.stop - self.start
        last = max(self.frame_count, 1)
        return max(0, (last if self.stop is None else min(self.stop, last)) - self.start)

    @property
    def skipped(self) -> list[int]:
        """Numbers of the frames that could not be read so far."""
        return self._decoder.skipped

    @property
    def passed_over(self) -> int:
        """Number of frames of a live source that were left out so far for newer ones."""
        return self._feed.passed_over

    @property
    def cut_short(self) -> str:
        """A sentence on how the source ended too early; empty if it did not, or has not ended yet."""
        return self._decoder.cut_short

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop decoding and release the source. A source that does not answer is abandoned after a second."""
        self._finish()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_LEAVE_AFTER if self._may_stall else None)

    def begin(self) -> None:
        """Start reading, if it has not begun. Iterating does this by itself."""
        if self._thread is None:
            self._finish.detach()
            self._finish = weakref.finalize(self, self._feed.end)  # from here on the thread closes the source
            self._finish.atexit = False
            self._thread = threading.Thread(
                target=fill, args=(self._feed, self._decoder, self.start, self.stop), name="decode", daemon=True
            )
            self._thread.start()

    def end_with(self, over: threading.Event) -> None:
        """Let another thread end reading by setting `over`."""
        self._feed.over = over

    def ready(self, seconds: float = 0.0) -> bool:
        """Tell whether the next frame or the end comes within this time. A file on a disk is always ready."""
        self.begin()
        return not self._may_stall or self._feed.ready(seconds)

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield the frames from `start` to before `stop`.

        Raises:
            SourceError: if no frame in that range can be read.
        """
        self.begin()
        seen = 0
        while (item := self._feed.get(self._remind)) is not None:
            if isinstance(item, End):
                self._feed.end()  # who iterates again gets nothing, and does not wait for ever
                if item.error is not None:
                    raise item.error
                if not seen:
                    raise SourceError(self._explain_nothing())
                break
            seen += 1
            yield self._frame(item)

    def _frame(self, raw: RawFrame) -> VideoFrame:
        image = raw.picture()
        size = image.shape[1], image.shape[0]
        if self._size is not None and size != self._size:
            log.warning("%s: frame %d is %d x %d, not %d x %d as before", self.name, raw.index, *size, *self._size)
        self._size = size
        return VideoFrame(raw.index, raw.time, image, raw.damaged)

    def _remind(self, seconds: float) -> None:
        """Log once for each wait that no frame comes from a camera or an address."""
        if self._may_stall and _SAY_AFTER <= seconds < _SAY_AFTER + 0.1:
            log.warning("waiting for frames of %s (Ctrl-C ends it)", self.name)

    def _explain_nothing(self) -> str:
        if self.skipped:
            reason = getattr(self._decoder, "reason", "")
            return f"{self.name}: none of its {len(self.skipped)} frames can be read; the first: {reason}"
        if self.cut_short:
            return self.cut_short
        if self.start:
            return f"{self.name} has no frame {self.start}; choose a smaller --start"
        return f"{self.name} holds no frames; give another video"


def _abandon(feed: Feed, close: Callable[[], None]) -> None:
    """Release a source that nobody began to read."""
    feed.end()
    close()


def open_video(
    source: str | int | Path,
    start: int = 0,
    stop: int | None = None,
    *,
    timeout: float = TIMEOUT,
    every_frame: bool = False,
    reconnects: int = 3,
    over: threading.Event | None = None,
) -> VideoSource:
    """Open a source of frames.

    A live source (a camera, or a stream of unknown length) yields its newest frames: frames that come too fast are left
    out, and the others keep their numbers. A live source that breaks off is opened again.

    Args:
        source: a video file, a folder of pictures (in natural order of their names), a single picture, a webcam number
            (0 is the first) or `/dev/video*`, or an address such as `rtsp://...` or `http://...`.
        start: number of the first wanted frame.
        stop: number after the last wanted frame; None reads to the end.
        timeout: seconds to wait for a camera or an address, to open and for each further frame.
        every_frame: yield every frame of a live source, however late.
        reconnects: number of times that a live source is opened again.
        over: event that another thread sets to end opening and reading immediately.

    Raises:
        SourceError: if there is no such source, it is not a video, or it cannot be opened in time.
        ConfigError: if another argument is out of range, or of another type.

    Example:
        >>> import mixformer
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> with mixformer.open_video(DEMO_CLIP, start=1, stop=3) as video:
        ...     [(frame.index, frame.image.shape[2]) for frame in video]
        [(1, 3), (2, 3)]
    """
    text = source_text(source)
    start, stop = frame_range(start, stop)
    require_timeout(timeout)
    require_event(over)
    if is_camera(text):
        camera = camera_input(text)
        open = partial(open_stream, text, *camera, timeout)
    elif "://" in text or text.startswith("pipe:") or is_pipe(text):
        options = {"rtsp_transport": "tcp"} if text.startswith("rtsp") else {}
        open = partial(open_stream, text, text, None, options, timeout)
    else:
        return VideoSource(text, from_disk(text), start, stop, over=over)
    first = open(lambda: over is None or not over.is_set())
    decoder: Decoder = LiveStream(text, open, first, reconnects) if first.live else first
    return VideoSource(text, decoder, start, stop, every_frame, over, may_stall=True)


def from_disk(text: str) -> Decoder:
    """Open a file or a folder of pictures. Raises SourceError if it does not exist, or is no video."""
    require_source(text)
    path = Path(text)
    if path.is_dir():
        return Pictures(pictures_in(path))
    if is_picture(path.name.lstrip(".")):
        return Pictures([path])
    return Stream(text, open_stream_container(text))
