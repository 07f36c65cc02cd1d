"""Sound that keeps its distance to the pictures where recordings were joined."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from mixformer.imaging.containers import main_video, videos_in
from mixformer.video.steady_clock import BACK

_ORDERED = 20  # packets of pictures; those of a codec are sent at most 16 places from where they are shown
_PATIENCE = 1000  # packets to wait for the pictures of a joined part


class _PictureJoins:
    """Finds where the clock of the pictures jumps back, as `SteadyClock` does with decoded pictures."""

    def __init__(self, step: float) -> None:
        self.shifts: list[float] = []
        """Seconds that are added to the clock of the file, after each join."""
        self._step, self._count = step, 0
        self._last: float | None = None
        self._begin = self._end = 0.0
        self._before: float | None = None  # steady time of the last picture before a join that is not settled

    def see(self, packet: Any) -> None:
        """Take the next packet of the pictures."""
        time = packet.pts if packet.dts is None else packet.dts
        if time is None or not packet.time_base:
            return
        time = float(time * packet.time_base)
        shown = time if packet.pts is None else float(packet.pts * packet.time_base)
        if self._last is None or time < self._last - BACK:
            if self._last is not None:
                self.settle()
                self._before = self._end + (self.shifts[-1] if self.shifts else 0.0)
            self._begin, self._end, self._count = shown, shown, 0
        self._last = time
        self._begin, self._end = min(self._begin, shown), max(self._end, shown)
        self._count += 1
        if self._count == _ORDERED:
            self.settle()

    def settle(self) -> None:
        """Take the earliest picture since the last join for the first one."""
        if self._before is not None:
            self.shifts.append(self._before + self._step - self._begin)
            self._before = None


class _SteadySound:
    """Moves packets of sound as the pictures beside them are moved."""

    def __init__(self, joins: _PictureJoins) -> None:
        self._joins, self._followed, self._shift = joins, 0, 0.0
        self._last: float | None = None
        self._length, self._waited = 0.0, 0

    def ready(self, packet: Any) -> bool:
        """Tell whether it is known where a packet belongs."""
        if not self._jumps(packet) or len(self._joins.shifts) > self._followed or self._waited >= _PATIENCE:
            return True
        self._waited += 1
        return False

    def move(self, packet: Any) -> Any:
        """Return a packet at its steady time."""
        if packet.pts is None or not packet.time_base:
            return packet
        time = float(packet.pts * packet.time_base)
        if self._jumps(packet):
            if len(self._joins.shifts) > self._followed:
                self._followed, self._shift = len(self._joins.shifts), self._joins.shifts[-1]
            else:  # the pictures go on as before
                assert self._last is not None
                self._shift += self._last + self._length - time
        self._last, self._length, self._waited = time, float((packet.duration or 0) * packet.time_base), 0
        shift = round(self._shift / packet.time_base)
        packet.pts += shift
        packet.dts = packet.pts if packet.dts is None else packet.dts + shift
        return packet

    def _jumps(self, packet: Any) -> bool:
        if self._last is None or packet.pts is None or not packet.time_base:
            return False
        return bool(float(packet.pts * packet.time_base) < self._last - BACK)


def steady_sound(container: Any, track: Any) -> Iterator[Any]:
    """Packets of sound whose times keep rising where the clock of the file jumps back, as those of the pictures do.

    Sound and pictures of a recording seldom end at the same time. So the sound after a join is moved like the pictures
    after it; without such a jump of the pictures, it follows the sound before it.
    """
    video = main_video(container) if videos_in(container) else None
    rate = video and (video.average_rate or video.guessed_rate)
    joins = _PictureJoins(float(1 / rate) if rate else 0.0)
    sound, held = _SteadySound(joins), deque[Any]()  # packets after a join, until its shift is known
    for packet in container.demux([track, video] if video else [track]):
        if packet.stream is track:
            held.append(packet)
        else:
            joins.see(packet)
        while held and sound.ready(held[0]):
            yield sound.move(held.popleft())
    joins.settle()
    while held:
        yield sound.move(held.popleft())
