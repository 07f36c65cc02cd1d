"""Annotated pictures out: an H.264 file with the source's sound, or a folder of pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import OutputError
from mixformer.imaging.images import is_picture
from mixformer.types import Image

log = logging.getLogger(__name__)

_DEFAULT_FPS = 25.0
_TICKS = 90_000


class FrameWriter(Protocol):
    """Somewhere to put pictures. Use it in a `with` statement; leaving it finishes the file, whatever happened.

    Example:
        >>> import numpy as np
        >>> from mixformer.video import FrameWriter, open_writer
        >>> def write_black(writer: FrameWriter) -> None:
        ...     writer.write(np.zeros((90, 120, 3), np.uint8))
        >>> with open_writer("pictures") as writer:
        ...     write_black(writer)
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, image: Image, time: float | None = None) -> None:
        """Add a picture, RGB uint8 (H, W, 3), shown from `time` seconds (None: one frame after the last)."""
        ...


def open_writer(path: str | Path, fps: float | None = None, sound_from: str | Path | None = None) -> FrameWriter:
    """Choose a writer by the name: a folder (no ending) takes numbered PNG files, anything else is a video file.

    Args:
        path: where to write.
        fps: frames per second of a video; None writes 25.
        sound_from: video file whose first audio track is copied as it is, where the format allows.

    Raises:
        OutputError: if the place cannot be written to or the ending is unknown.

    Example:
        >>> import numpy as np
        >>> from mixformer.video import open_video, open_writer
        >>> with open_writer("gray.mp4", fps=25) as writer:
        ...     for level in range(3):
        ...         writer.write(np.full((90, 120, 3), 80 * level, np.uint8))
        >>> with open_video("gray.mp4") as video:
        ...     len(list(video))
        3
    """
    path = Path(path)
    if is_picture(path):
        raise OutputError(f"{path} is the name of one picture; give a video file such as out.mp4, or a folder name")
    if not path.suffix or path.is_dir():
        return PictureWriter(path)
    return Mp4Writer(path, fps or _DEFAULT_FPS, sound_from)


class PictureWriter:
    """Numbered PNG files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._next = folder, 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: every picture is complete already."""

    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`; the time is not kept."""
        path = self.folder / f"{self._next:08d}.png"
        try:
            PillowImage.fromarray(image).save(path)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OutputError(f"cannot write {path}: {error}; the pictures before it are kept") from error
        self._next += 1


class Mp4Writer:
    """An H.264 video file; odd sides lose their last row or column, which the format cannot hold.

    MP4 files are written in fragments, so that a full disk or a killed process leaves what was written playable, and
    become ordinary files when they are finished.
    """

    def __init__(self, path: Path, fps: float, sound_from: str | Path | None = None) -> None:
        self.path = path
        self._rate = Fraction(fps).limit_denominator(1001)
        self._step = round(_TICKS / self._rate)
        self._tick, self._origin = -self._step, 0.0
        self._video: Any = None
        self._shape: tuple[int, int] = (0, 0)
        options = {"movflags": "hybrid_fragmented"} if path.suffix.lower() in (".mp4", ".mov", ".m4v") else {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container: Any = av.open(str(path), "w", options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"cannot write a video to {path}: {error}") from error
        self._sound = _Sound(sound_from) if sound_from else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish()
        except OutputError:
            if error is None:
                raise
            log.warning("the end of %s could not be written", self.path)
        finally:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            if self._sound:
                self._sound.close()
            if self._video is None:
                self.path.unlink(missing_ok=True)

    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`. A picture of another size than the first is padded or cut at right and bottom."""
        try:
            if self._video is None:
                self._start(image, time or 0.0)
            frame = av.VideoFrame.from_ndarray(self._fit(image), format="rgb24")
            frame.pts, frame.time_base = self._next_tick(time), Fraction(1, _TICKS)
            self._mux(self._video.encode(frame))
            if self._sound:
                self._mux(self._sound.packets_until(self._tick / _TICKS))
        except (av.FFmpegError, OSError) as error:
            raise OutputError(f"cannot write {self.path}: {error}; what was written before is kept") from error

    def _start(self, image: Image, origin: float) -> None:
        height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
        if height == 0 or width == 0:
            raise OutputError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels is too small for a video")
        stream = self._container.add_stream("libx264", rate=self._rate, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.gop_size = max(1, round(2 * self._rate))
        self._video, self._shape, self._origin = stream, (height, width), origin
        if self._sound:
            self._sound.attach(self._container, origin)

    def _fit(self, image: Image) -> Image:
        height, width = self._shape
        if image.shape[0] < height or image.shape[1] < width:
            image = np.pad(image, [(0, max(0, height - image.shape[0])), (0, max(0, width - image.shape[1])), (0, 0)])
        return np.ascontiguousarray(image[:height, :width])

    def _next_tick(self, time: float | None) -> int:
        """Return the time of the next picture in ticks. It always increases, even if the source's clock does not."""
        wanted = self._tick + self._step if time is None else round((time - self._origin) * _TICKS)
        self._tick = max(wanted, self._tick + 1, 0)
        return self._tick

    def _finish(self) -> None:
        if self._video is None:
            return
        try:
            self._mux(self._video.encode(None))
        except (av.FFmpegError, OSError) as error:
            raise OutputError(
                f"cannot write the end of {self.path}: {error}; what was written before is kept"
            ) from error

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._container.mux(packet)


class _Sound:
    """The first audio track of a file, copied packet by packet up to the pictures' time."""

    def __init__(self, source: str | Path) -> None:
        self._close = ExitStack()
        self._source: Any = None
        self._target: Any = None
        self._waiting: Any = None
        self._origin = 0.0
        try:
            container: Any = self._close.enter_context(av.open(str(source)))
            self._source = container.streams.audio[0] if container.streams.audio else None
            self._packets: Iterator[Any] = container.demux(self._source) if self._source else iter(())
        except (av.FFmpegError, OSError) as error:
            log.warning("no sound: %s", error)

    def attach(self, container: Any, origin: float) -> None:
        """Add the track to the output, beginning `origin` seconds into the source.

        A codec that the output cannot hold is left out with a warning.
        """
        self._origin = origin
        if self._source is None:
            return
        try:
            self._target = container.add_stream_from_template(self._source)
        except (av.FFmpegError, ValueError, TypeError) as error:
            log.warning("the sound is left out: %s", error)

    def packets_until(self, time: float) -> Iterator[Any]:
        """Yield the next packets that begin before `time` seconds of the output."""
        while self._target is not None:
            packet, self._waiting = self._waiting or next(self._packets, None), None
            if packet is None:
                return
            if packet.dts is None:
                continue
            # Sound follows the pictures: a packet from after the last picture waits, one from before the first is cut.
            begins = float(packet.dts * packet.time_base) - self._origin
            if begins > time:
                self._waiting = packet
                return
            if begins < 0:
                continue
            shift = round(self._origin / packet.time_base)
            packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
            packet.stream = self._target
            yield packet

    def close(self) -> None:
        """Release the source."""
        self._close.close()
