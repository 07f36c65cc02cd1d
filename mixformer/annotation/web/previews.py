"""Make small pictures of all frames in the background, and keep them in the cache folder, for quick seeks.

A seek in a video decodes all frames since the last key frame, which takes half a second in full HD. So two threads go
through the video once, and keep each part as a small stream with a key frame every few frames. One thread makes the
parts around the viewers; the other, of the lowest priority, makes the rest, while there is nothing to do around them.
A picture is found by the number of its frame, so it shows exactly that frame; it can be seen before its part is whole.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from mixformer.annotation.web.preview_parts import Part, encode_part, part_of, part_starts, small_frame
from mixformer.engines.graph_cache import SUFFIX, keep, read_kept
from mixformer.errors import OutputError, SourceError
from mixformer.imaging.last_used import LastUsed
from mixformer.optional import cache_folder
from mixformer.types import Image
from mixformer.video import FrameReader, open_frames
from mixformer.video.frame_table import FrameTable

log = logging.getLogger(__name__)

WIDTH = 960
"""Largest width of a picture."""
WORTH_MAKING = 300  # frames; the cache of the decoder holds about as many small ones
_MANY_PIXELS = 2**26  # of all frames of a video; the cache of the decoder holds less of a short one in full HD
_LIMIT = 4 * 2**30  # bytes of all videos in the cache folder
_PARTS_HELD = 24  # parts in memory, about 2 MB each
_LAYOUT = "1"  # version of the cached content
_PATIENCE = 900.0  # seconds after which a viewer counts as gone
_NEAR = 1  # parts: the next ones are about ten seconds, or their frames are quickly decoded
_STAND_BACK = 0.05  # seconds that each picture waits for a person's seek, so that the work goes on in a crowd
_NICE_NEAR, _NICE = 5, 19  # a viewer's next frames can be late on a busy machine, all others can wait


@dataclass
class _Plan:
    """The parts of one video, and which of them are made."""

    path: Path
    table: FrameTable | None
    count: int
    starts: list[int]
    keys: set[int]
    name: str  # beginning of the names of its files in the cache folder
    worth: bool  # pictures are made; otherwise, the video is only decoded once, which tells the damage
    made: set[int] = field(default_factory=set)

    def missing(self, number: int) -> tuple[int, int] | None:
        """Return the distance and the index of the nearest missing part to a frame, or None if all are made."""
        if len(self.made) == len(self.starts):
            return None
        here = bisect_right(self.starts, number) - 1
        for distance in range(len(self.starts)):
            for place in (here + distance, here - distance):
                if 0 <= place < len(self.starts) and place not in self.made:
                    while self.starts[place] not in self.keys and place - 1 not in self.made and place:
                        place -= 1  # the earlier part must be decoded anyway
                    return distance, place
        return None


class _OtherWorkError(Exception):
    """A part nearer to a viewer is needed first, or the server ends."""


class Previews:
    """The small pictures of all videos of a server."""

    def __init__(self, damaged: Callable[[Path, int], object] = lambda path, number: None) -> None:
        """Begin with no video; `damaged` is called with each frame that is found damaged, and gets no picture."""
        self._damaged = damaged
        self._folder = cache_folder("previews")
        self._plans: dict[Path, _Plan] = {}
        self._viewers: dict[tuple[Path, str], tuple[int, float]] = {}
        self._parts: LastUsed[tuple[str, int], Part] = LastUsed(_PARTS_HELD)
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._urgent = False  # a part around a viewer is missing
        self._seeks = 0  # that decode at this moment
        self._closed = False

    def plan(self, path: Path, table: FrameTable | None, count: int, pixels: int = 0) -> None:
        """Begin to make the pictures of a video, once its frames are counted; `pixels` is the size of a frame.

        In a short one, only look for damage.
        """
        if self._folder is None or path.is_dir() or self._closed:
            return
        try:
            status = path.stat()
        except OSError:
            return
        found = [table.number_at(key) for key in table.keys] if table else [0]
        numbers = [number for number in found if number is not None]
        facts = (_LAYOUT, str(path), status.st_size, status.st_mtime_ns, count, WIDTH)
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
        worth = count >= WORTH_MAKING or count * pixels > _MANY_PIXELS
        plan = _Plan(path, table, count, part_starts(numbers, count), set(numbers), name, worth)
        plan.made = {place for place in range(len(plan.starts)) if self._file(plan, place).exists()}
        with self._changed:
            self._plans[path] = plan
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._work, args=(near,), name="previews", daemon=True)
                    for near in (True, False)
                ]
                for thread in self._threads:
                    thread.start()
            self._choose()

    def look(self, path: Path, number: int, viewer: str) -> None:
        """Note the frame of a viewer, so that the pictures around it are made first."""
        with self._changed:
            self._viewers[path, viewer] = number, time.monotonic()
            self._choose()

    def image(self, path: Path, number: int) -> Image | None:
        """Return the picture of a frame as RGB, at most `WIDTH` pixels wide, or None if it is not made yet."""
        plan = self._plans.get(path)
        if plan is None or not plan.worth or not 0 <= number < plan.count:
            return None
        place = bisect_right(plan.starts, number) - 1
        part = self._part(plan, place)
        return None if part is None else part.image(number)

    @contextmanager
    def standing_back(self) -> Iterator[None]:
        """Leave the processor to a person who waits for a frame."""
        with self._changed:
            self._seeks += 1
        try:
            yield
        finally:
            with self._changed:
                self._seeks -= 1
                self._changed.notify_all()

    def forget(self, path: Path) -> None:
        """Forget a video whose file has changed."""
        with self._changed:
            self._plans.pop(path, None)
            self._choose()

    def close(self) -> None:
        """End the work. Finished parts stay in the cache."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(5)

    def _file(self, plan: _Plan, place: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{plan.name}-{plan.starts[place]}{SUFFIX}"

    def _part(self, plan: _Plan, place: int) -> Part | None:
        key = plan.name, place
        with self._changed:
            held = self._parts.get(key)
        if held is not None or place not in plan.made:
            return held
        try:
            content = read_kept(self._file(plan, place))
        except (OSError, ValueError):
            content = None
        if content is None:  # it was deleted to make room, or is damaged
            plan.made.discard(place)
            return None
        part = part_of(content)
        self._hold(key, part)
        return part

    def _hold(self, key: tuple[str, int], part: Part) -> None:
        with self._changed:
            self._parts.put(key, part)

    def _work(self, near: bool) -> None:
        _step_back(_NICE_NEAR if near else _NICE)
        reader: FrameReader | None = None
        of: _Plan | None = None
        while (found := self._next(near)) is not None:
            plan, place = found
            try:
                if reader is None or of is not plan:
                    if reader is not None:
                        reader.close()
                    reader, of = open_frames(plan.path, 0), plan
                    reader.share_index(plan.table)
                self._make(plan, place, reader, near)
            except _OtherWorkError:
                continue
            except (SourceError, OutputError, OSError, ValueError, av.FFmpegError) as error:
                log.info("%s has no previews: %s", plan.path.name, error)
                self.forget(plan.path)
        if reader is not None:
            reader.close()

    def _next(self, near: bool) -> tuple[_Plan, int] | None:
        """Choose the part to make next, the nearest to any viewer; return None at the end."""
        with self._changed:
            while not self._closed:
                found = self._nearest()
                if found is not None and near == self._urgent:
                    return found
                self._changed.wait()
            return None

    def _nearest(self) -> tuple[_Plan, int] | None:
        """Find the missing part nearest to any viewer, and note whether it is urgent."""
        late = time.monotonic() - _PATIENCE
        self._viewers = {key: seen for key, seen in self._viewers.items() if seen[1] > late}
        choices = [
            (*missing, plan)
            for (path, _), (number, _) in self._viewers.items()
            if (plan := self._plans.get(path)) and (missing := plan.missing(number))
        ]
        if not choices:
            self._urgent = False
            return None
        distance, place, plan = min(choices, key=lambda choice: choice[0])
        self._urgent = distance <= _NEAR
        return plan, place

    def _choose(self) -> None:
        """Let both threads choose anew."""
        self._nearest()
        self._changed.notify_all()

    def _make(self, plan: _Plan, place: int, reader: FrameReader, near: bool) -> None:
        stop = plan.starts[place + 1] if place + 1 < len(plan.starts) else plan.count
        frames = self._frames(plan.path, reader, plan.starts[place], stop, near)
        if not plan.worth:
            for _ in frames:
                pass
        else:
            part = Part()
            self._hold((plan.name, place), part)
            encode_part(frames, part)
            if len(part.numbers) == stop - plan.starts[place]:  # otherwise the next server has to find the damage again
                keep(self._file(plan, place), part.content(), _LIMIT)
            self._hold((plan.name, place), part)
        with self._changed:
            plan.made.add(place)
            self._choose()

    def _frames(self, path: Path, reader: FrameReader, first: int, stop: int, near: bool) -> Iterator[tuple[int, Any]]:
        """Yield numbered frames for `encode_part`. Raises _OtherWorkError if another part is needed sooner."""
        for number in range(first, stop):
            with self._changed:
                self._changed.wait_for(lambda: self._closed or not self._seeks, _STAND_BACK)
            try:
                raw = reader.raw(number, lambda: not self._closed and (near or not self._urgent))
            except IndexError:  # it cannot be read
                self._damaged(path, number)
                continue
            if raw is None:
                raise _OtherWorkError
            if raw.damaged:
                self._damaged(path, number)
                continue
            yield number, small_frame(raw, WIDTH)


def _step_back(nice: int) -> None:
    """Give this thread, and those that its decoder starts, a lower priority, if the system supports it."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            thread = os.PRIO_PROCESS, threading.get_native_id()
            os.setpriority(*thread, min(19, os.getpriority(*thread) + nice))
