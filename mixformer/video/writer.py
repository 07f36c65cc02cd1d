"""Annotated pictures out: a video file with the sound of the source, or a folder of pictures."""

from __future__ import annotations

import logging
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import numpy as np
from PIL import Image as PillowImage

from mixformer.errors import OutputError
from mixformer.files import write_files
from mixformer.types import Image
from mixformer.video.drafts import Draft, FolderDraft
from mixformer.video.sound import Sound
from mixformer.video.source_look import SourceLook, look_of, look_of_pictures
from mixformer.video.video_formats import VideoFormat, require_video

log = logging.getLogger(__name__)

_DEFAULT_FPS = 25.0
_UNKNOWN, _BT601 = 2, 5  # of FFmpeg's matrices
_VIDEO_RANGE, _FULL_RANGE = 1, 2


class FrameWriter(Protocol):
    """Somewhere to put pictures. Use it in a `with` statement; leaving it finishes the file, whatever happened.

    The pictures are written beside the place of the result (`out.partial.mp4`, or the folder `frames.partial`) and put
    there at the end. If the `with` statement ends by an exception, they are put there only if nothing is there yet.

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


def open_writer(
    path: str | Path, fps: float | None = None, sound_from: str | Path | None = None, *, overwrite: bool = False
) -> FrameWriter:
    """Choose a writer by the name: a folder (no ending) takes numbered PNG files, anything else is a video file.

    Args:
        path: where to write: a file that ends in .mp4, .m4v, .mov, .mkv, .avi, .webm or .gif, or a folder.
        fps: frames per second of a video; None writes 25.
        sound_from: video file whose first audio track is written too, where the format has sound; the times of the
            pictures count from its first picture. Its colors and the shape of its pixels are taken over.
        overwrite: replace what is there already.

    Raises:
        OutputError: if the place cannot be written to, the ending is unknown, or there is a result already.

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
    format = require_video(path)
    if format is None:
        return PictureWriter(path, overwrite)
    return VideoWriter(path, format, fps or _DEFAULT_FPS, sound_from, overwrite)


class PictureWriter:
    """Numbered PNG files in a folder."""

    def __init__(self, folder: Path, overwrite: bool = False) -> None:
        self.folder, self._next = folder, 0
        self._draft = FolderDraft(folder, overwrite)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draft.end(whole=error is None and self._next > 0, empty=not self._next)

    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`; the time is not kept."""
        picture = PillowImage.fromarray(image)
        write_files({self._draft.part / f"{self._next:08d}.png": partial(picture.save, format="PNG")}, sync=False)
        self._next += 1


class VideoWriter:
    """A video file; odd sides lose their last row or column, which most formats cannot hold.

    Files are written so that a full disk or a killed process leaves what was written playable.
    """

    def __init__(
        self, path: Path, format: VideoFormat, fps: float, sound_from: str | Path | None, overwrite: bool
    ) -> None:
        self.path, self._format = path, format
        self._rate = Fraction(fps).limit_denominator(1001)
        self._clock = Fraction(1, format.ticks) if format.ticks else 1 / self._rate
        self._step = max(1, round(1 / self._rate / self._clock))
        self._tick, self._origin, self._count = -self._step, 0.0, 0
        self._video: Any = None
        self._shape: tuple[int, int] = (0, 0)
        self._look = look_of(sound_from) if sound_from else None
        self._draft = Draft(path, overwrite)
        try:
            options = dict(format.muxing)
            self._container: Any = av.open(self._draft, "w", format=format.container, options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._draft.drop()
            raise OutputError(f"cannot write a video to {path}: {error}") from error
        self._sound = Sound(sound_from, format) if sound_from else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._finish()
        if self._sound:
            self._sound.close()
        self._draft.end(whole=error is None and failure is None and self._count > 0, empty=not self._count)
        if failure is not None and error is None:
            raise failure

    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`. A picture of another size than the first is padded or cut at right and bottom."""
        try:
            if self._video is None:
                self._start(image, time or 0.0)
            self._tick = self._next_tick(time)
            self._mux(self._video.encode(self._frame(image)))
            self._count += 1
            if self._sound:
                self._mux(self._sound.until(float(self._tick * self._clock)))
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"cannot write {self.path}: {error}; what was written before is kept") from error

    def _start(self, image: Image, origin: float) -> None:
        height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
        if height == 0 or width == 0:
            raise OutputError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels is too small for a video")
        stream = self._container.add_stream(self._format.codec, rate=self._rate, options=dict(self._format.options))
        stream.width, stream.height, stream.pix_fmt = width, height, self._format.pixels
        stream.codec_context.time_base = self._clock
        stream.gop_size = max(1, round(2 * self._rate))
        look = self._look or look_of_pictures(height)
        if look.size == image.shape[:2] and look.shape > 0:
            stream.sample_aspect_ratio = stream.codec_context.sample_aspect_ratio = look.shape
        self._colors = look if self._format.tagged else SourceLook()
        if self._format.tagged:
            known = stream.codec_context
            known.colorspace, known.color_range = look.matrix, look.range
            known.color_primaries, known.color_trc = look.primaries, look.transfer
        self._video, self._shape, self._origin = stream, (height, width), origin
        if self._sound:
            self._sound.attach(self._container, origin + look.first)

    def _frame(self, image: Image) -> Any:
        """A picture in the encoder's form, with the colors and the size of the video."""
        height, width = self._shape
        if image.shape[0] < height or image.shape[1] < width:
            image = np.pad(image, [(0, max(0, height - image.shape[0])), (0, max(0, width - image.shape[1])), (0, 0)])
        frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        frame = frame.reformat(
            format=self._format.pixels,
            dst_colorspace=_BT601 if self._colors.matrix == _UNKNOWN else self._colors.matrix,
            dst_color_range=_FULL_RANGE if self._colors.range == _FULL_RANGE else _VIDEO_RANGE,
        )
        frame.colorspace, frame.color_range = self._colors.matrix, self._colors.range
        frame.pts, frame.time_base, frame.duration = self._tick, self._clock, self._step
        return frame

    def _next_tick(self, time: float | None) -> int:
        """Return the time of the next picture in ticks. It always increases, even if the source's clock does not."""
        wanted = self._tick + self._step if time is None else round((time - self._origin) / self._clock)
        return max(wanted, self._tick + 1, 0)

    def _finish(self) -> OutputError | None:
        """Write the end and look whether every frame is there; the error that prevented it, if one did."""
        try:
            if self._video is not None:
                self._mux(self._video.encode(None))
                if self._sound:
                    self._mux(self._sound.until(float((self._tick + self._step) * self._clock)))
            self._container.close()
            if self._count:
                self._require_all()
        except (av.FFmpegError, OSError) as error:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            return OutputError(f"cannot write the end of {self.path}: {error}; what was written before is kept")
        return None

    def _require_all(self) -> None:
        """Count the frames of the finished file."""
        if self._draft.part == self.path:
            return
        with av.open(str(self._draft.part)) as container:
            found = sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))
        if found != self._count:
            raise OutputError(f"only {found} of {self._count} frames are in it")

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._container.mux(packet)
