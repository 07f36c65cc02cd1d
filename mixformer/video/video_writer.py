"""Write a video file picture by picture, with the sound of the source."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Self

import av
import numpy as np

from mixformer.configs.argument_checks import checked
from mixformer.errors import OutputError, remedy
from mixformer.imaging.colors import as_rgb
from mixformer.imaging.containers import open_container
from mixformer.types import Image
from mixformer.video.drafts import Draft, Mark
from mixformer.video.sound import Sound
from mixformer.video.source_look import SourceLook, look_of, look_of_pictures
from mixformer.video.video_formats import VideoFormat, frames_of_segment

log = logging.getLogger(__name__)

_UNKNOWN, _BT601 = 2, 5  # numbers of FFmpeg's color matrices
_VIDEO_RANGE, _FULL_RANGE = 1, 2
_LONGEST_PAUSE = 6 * 3600  # seconds between two pictures; an MP4 file cannot hold seven hours
_MOST_EMPTY = 50_000  # frames of a pause in a file without times; FFmpeg refuses more than 60,000
_SLOWEST, _FASTEST = Fraction(1, 1001), Fraction(1000)  # pictures a second; more is a fault of a clock


class VideoWriter:
    """A video file. Pictures of odd sides lose their last row or column, since most formats require even sides.

    After a full disk or a killed process, the written part can be played. The encoder starts again after each segment,
    so that a file that was continued there has the same frames as one that was never interrupted.
    """

    def __init__(
        self,
        path: Path,
        format: VideoFormat,
        fps: float,
        sound_from: str | Path | None,
        overwrite: bool,
        kept: Mark | None = None,
    ) -> None:
        self.path, self._format = path, format
        self._rate = min(max(Fraction(fps).limit_denominator(1001), _SLOWEST), _FASTEST)
        self._clock = Fraction(1, format.ticks) if format.ticks else 1 / self._rate
        self._step = max(1, round(1 / self._rate / self._clock))
        self._tick, self._origin, self._count = -self._step, 0.0, 0
        self._left_out = kept.get("left_out", 0) if kept else 0  # ticks of pauses that were too long
        self._segment = frames_of_segment(fps)
        self._video: Any = None
        self._encoder: Any = None
        self._failed: Exception | None = None
        self._size = self._shape = (0, 0)
        self._look = look_of(sound_from) if sound_from else None
        self._draft = Draft(path, overwrite, keep=kept is not None)
        before = self._draft.set_aside() if kept else None
        try:
            options = dict(format.muxing)
            self._container: Any = av.open(self._draft, "w", format=format.container, options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._draft.drop()
            raise OutputError(f"cannot write a video to {path}: {error}; give another name or ending") from error
        self._sound = Sound(sound_from, format) if sound_from else None
        if kept and before:
            self._keep(kept, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        failure = self._finish()
        if self._sound:
            self._sound.close()
        self._draft.end(whole=error is None and failure is None and self._count > 0, empty=not self._count)
        if failure is not None and error is None:
            raise failure

    @checked
    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`. A picture of another size than the first is padded or cut at right and bottom."""
        image = as_rgb(image)
        try:
            # 1. Start the video with the first picture, and the encoder again after each segment.
            if self._video is None:
                self._start((image.shape[0], image.shape[1]), time or 0.0)
            if self._format.continued and self._count and self._count % self._segment == 0:
                self._put(self._encoder.encode(None) if self._encoder else ())
                self._encoder = self._new_encoder()
            # 2. Write the picture, and the sound until its time.
            self._tick = self._next_tick(time)
            self._put(self._encoder.encode(self._frame(image)))
            self._count += 1
            if self._sound:
                self._mux(self._sound.until(float(self._tick * self._clock)))
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, OutputError):
                raise
            message = f"cannot write {self.path}: {error}; what was written before is kept; {remedy(error)}"
            raise OutputError(message) from error

    def mark(self) -> Mark:
        """See `FrameWriter.mark`."""
        reached = {"count": self._count, "tick": self._tick, "left_out": self._left_out}
        return {**reached, "origin": self._origin, "size": list(self._size)}

    def _keep(self, kept: Mark, before: Path) -> None:
        """Copy the packets of an interrupted file up to a mark, and write the sound again."""
        try:
            self._start((kept["size"][0], kept["size"][1]), kept["origin"])
            self._encoder = None  # the next picture begins a segment
            with open_container(before) as container:
                for packet in islice(_pictures(container, self._format.unpacked), kept["count"]):
                    time = float(packet.pts * packet.time_base)
                    self._put([packet])
                    if self._sound:
                        self._mux(self._sound.until(time))
        except (av.FFmpegError, OSError) as error:
            left = f"what was written before is in {before}"
            raise OutputError(f"cannot continue {self.path}: {error}; {left}; {remedy(error)}") from error
        self._count, self._tick = kept["count"], kept["tick"]

    def _start(self, size: tuple[int, int], origin: float) -> None:
        """Add the streams; `size` is the height and width of the first picture, which is at `origin` seconds."""
        height, width = size[0] // 2 * 2, size[1] // 2 * 2
        if height == 0 or width == 0:
            raise OutputError(f"a picture of {size[1]} x {size[0]} pixels is too small for a video; write a folder")
        self._size, self._shape, self._origin = size, (height, width), origin
        look = self._look or look_of_pictures(height)
        self._pixel = look.shape if look.size == size and look.shape > 0 else None
        self._colors = look if self._format.tagged else SourceLook()
        stream = self._container.add_stream(self._format.codec, rate=self._rate, options=dict(self._format.options))
        self._set_up(stream.codec_context)
        if self._pixel:
            stream.sample_aspect_ratio = self._pixel
        self._video = self._encoder = stream
        if self._sound:
            self._sound.attach(self._container, origin + look.first)

    def _new_encoder(self) -> Any:
        """Make an encoder for the next segment, with the settings in the file's header."""
        encoder: Any = av.CodecContext.create(self._format.codec, "w")
        encoder.options, encoder.framerate = dict(self._format.options), self._rate
        self._set_up(encoder)
        encoder.flags = self._video.codec_context.flags
        return encoder

    def _set_up(self, encoder: Any) -> None:
        (encoder.height, encoder.width), encoder.pix_fmt = self._shape, self._format.pixels
        encoder.time_base, encoder.gop_size = self._clock, self._segment
        if self._pixel:
            encoder.sample_aspect_ratio = self._pixel
        if self._format.tagged:
            encoder.colorspace, encoder.color_range = self._colors.matrix, self._colors.range
            encoder.color_primaries, encoder.color_trc = self._colors.primaries, self._colors.transfer

    def _frame(self, image: Image) -> Any:
        """Convert a picture for the encoder, with the colors and the size of the video."""
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
        wanted = self._tick + self._step
        if time is not None:
            wanted = round((time - self._origin) / self._clock) - self._left_out
            pause = (wanted - self._tick) * self._clock
            longest = _LONGEST_PAUSE if self._format.ticks else min(_LONGEST_PAUSE, float(_MOST_EMPTY * self._clock))
            if self._count and pause > longest:
                if not self._left_out:
                    log.warning("%s: %.0f s without a picture are left out", self.path, pause)
                self._left_out += wanted - self._tick - self._step
                wanted = self._tick + self._step
        return max(wanted, self._tick + 1, 0)

    def _finish(self) -> OutputError | None:
        """Write the end, and check that the file has every frame. Return the error if that fails."""
        try:
            if self._failed is not None:
                raise self._failed
            if self._encoder is not None:
                self._put(self._encoder.encode(None))
            if self._video is not None and self._sound:
                self._mux(self._sound.until(float((self._tick + self._step) * self._clock)))
            self._container.close()
            if self._count:
                self._require_all()
        except (av.FFmpegError, OSError) as error:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            kept = "what was written before is kept"
            return OutputError(f"cannot write the end of {self.path}: {error}; {kept}; {remedy(error)}")
        return None

    def _require_all(self) -> None:
        """Count the frames of the finished file."""
        if self._draft.part == self.path:
            return
        self._draft.be_there()
        found = frames_in(self._draft.part)
        if found != self._count:
            raise OutputError(f"only {found} of {self._count} frames are in it")

    def _put(self, packets: Any) -> None:
        """Write packets with pictures."""
        for packet in packets:
            packet.stream = self._video
            self._mux([packet])

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            if self._failed is not None:  # FFmpeg would crash
                raise self._failed
            try:
                self._container.mux(packet)
            except (av.FFmpegError, OSError) as error:
                self._failed = error
                raise


def frames_in(path: Path) -> int:
    """Count the frames in a video file of this writer, as far as it can be read."""
    with open_container(path) as container:
        return sum(1 for _ in _pictures(container))


def _pictures(container: Any, filter: str = "") -> Iterator[Any]:
    """Yield the packets with pictures, until the file breaks off."""
    stream = container.streams.video[0]
    form = av.BitStreamFilterContext(filter, stream) if filter else None
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:  # its end is missing
                return
            if packet.size:
                yield from form.filter(packet) if form else [packet]
    except av.FFmpegError as error:
        log.debug("%s", error)
