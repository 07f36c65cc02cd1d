"""Read single frames of a video file by number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixformer.errors import DataError, counted
from mixformer.types import Image

_AHEAD = 32  # decode up to this many frames instead of seeking


class Clip:
    """A video file whose frames are read by number. Reading in ascending order decodes each frame once."""

    def __init__(self, path: Path) -> None:
        """Raises DataError if this is not a readable video."""
        import av

        from mixformer.imaging.containers import explain, main_video, open_container

        self.path = path
        try:
            self._container = open_container(path)
            self._stream = main_video(self._container)
            # Loader processes are the parallelism.
            self._stream.codec_context.thread_count = 1
            packets = (each for each in self._container.demux(self._stream) if each.size and not each.is_discard)
            times = {each.pts for each in packets if each.pts is not None}
        except (OSError, av.FFmpegError, IndexError) as error:
            raise DataError(explain(path, error)) from error
        self._times = sorted(times)
        self._error: type[Exception] = av.FFmpegError
        self._frames: Iterator[Any] = iter(())
        self._next = len(self._times)  # nothing decoded yet: the first read seeks

    def __len__(self) -> int:
        return len(self._times)

    def read(self, index: int) -> Image:
        """Frame `index` as RGB uint8 (H, W, 3); raises DataError if there is no such frame, or it cannot be decoded."""
        if not 0 <= index < len(self._times):
            raise DataError(
                f"{self.path} has {counted(len(self._times), 'frame')}; there is no frame {index} (counted from 0)"
            )
        try:
            return self._decode(index)
        except self._error as error:
            self._next = len(self._times)
            raise DataError(
                f"cannot decode frame {index} of {self.path}: {error}; convert the video, or leave it out"
            ) from error

    def _decode(self, index: int) -> Image:
        time = self._times[index]
        if not self._next <= index < self._next + _AHEAD:
            self._seek(time)
        image = self._forward_to(time)
        if image is None:  # some containers seek too far, so decode from the start
            self._seek(self._times[0])
            image = self._forward_to(time)
        if image is None:
            self._next = len(self._times)
            raise DataError(
                f"{self.path} lists frame {index}, but no such frame can be decoded; convert the video, or leave it out"
            )
        self._next = index + 1
        return image

    def _seek(self, time: int) -> None:
        self._container.seek(time, stream=self._stream)
        self._frames = self._container.decode(self._stream)

    def _forward_to(self, time: int) -> Image | None:
        from mixformer.imaging.containers import upright

        for frame in self._frames:
            if frame.pts == time:
                return upright(frame)
            if frame.pts is not None and frame.pts > time:
                return None
        return None

    def close(self) -> None:
        """Close the file and free its decoder."""
        self._frames = iter(())
        self._container.close()
