"""The numbers of the frames that a decoder gives, also where a file is damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixformer.video.frame_table import place_of


class FrameNumbers:
    """Counts frames. After damage it goes by their times, since decoders silently drop what needs a damaged frame."""

    def __init__(self, first: int, read_times: Callable[[], list[int]], skip: Callable[[int, object], None]) -> None:
        """Begin with number `first`.

        `read_times` returns the times of all frames of the file, rising and in units of the track, or none where the
        numbers cannot be found by them. `skip` takes each frame that cannot be read, and why.
        """
        self.next = first
        self._read_times, self._skip = read_times, skip
        self._times: list[int] | None = None  # they are read after the first damage
        self._last: int | None = None  # time of the last frame
        self._reason: object = ""

    def fail(self, error: Exception) -> None:
        """Take the error of a packet. Which frames are missing is known when the next frame comes, if at all."""
        self._reason = error
        if self._times is None:
            times = self._read_times()
            agrees = self._last is None or place_of(times, self._last) == self.next - 1
            self._times = times if agrees else []
        if not self._times:
            self._skip_to(self.next + 1)

    def take(self, frame: Any) -> int | None:
        """Return the number of the next frame of FFmpeg; None for one that comes too late, and is skipped already."""
        self._last = frame.pts
        if self._times and frame.pts is not None and (number := place_of(self._times, frame.pts)) is not None:
            if number < self.next:
                return None
            self._skip_to(number)
        self.next += 1
        return self.next - 1

    def begin(self, frame: Any) -> float | None:
        """Return the time of frame 0 in seconds, of which `frame` is the first that can be read."""
        seconds: float | None = frame.time if not self._times else float(self._times[0] * frame.time_base)
        return seconds

    def end(self) -> int:
        """Return the number of frames at the end of the file."""
        self._skip_to(len(self._times or ()))
        return self.next

    def _skip_to(self, number: int) -> None:
        while self.next < number:
            self._skip(self.next, self._reason)
            self.next += 1
