"""Make small pictures of all frames in the background, and keep them in the cache folder, for quick seeks.

A seek in a video decodes all frames since the last key frame, which takes about a second in full HD. So a thread of low
priority goes through the video once, beginning around the viewers, and keeps each part as a small stream with a key
frame every few frames. A picture is found by the number of its frame, so it shows exactly that frame.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import av

from mixformer.annotation.web.preview_parts import Part, encode_part, part_of, part_starts
from mixformer.engines.graph_cache import SUFFIX, keep, read_kept
from mixformer.errors import OutputError, SourceError
from mixformer.optional import cache_folder
from mixformer.types import Image
from mixformer.video import FrameReader, open_frames
from mixformer.video.frame_table import FrameTable

log = logging.getLogger(__name__)

WIDTH = 960
"""Largest width of a picture."""
WORTH_MAKING = 300  # frames; the cache of the decoder holds about as many
_LIMIT = 4 * 2**30  # bytes of all videos in the cache folder
_PARTS_HELD = 24  # parts in memory, about 2 MB each
_LAYOUT = "1"  # version of the cached content
_PATIENCE = 900.0  # seconds after which a viewer counts as gone


@dataclass
class _Plan:
    """The parts of one video, and which of them are made."""

    path: Path
    table: FrameTable | None
    count: int
    starts: list[int]
    keys: set[int]
    name: str  # beginning of the names of its files in the cache folder
    made: set[int] = field(default_factory=set)

    def missing(self, number: int) -> tuple[int, int] | None:
        """Return the distance and the index of the nearest missing part to a frame, or None if all are made."""
        here = bisect_right(self.starts, number) - 1
        for distance in range(len(self.starts)):
            for place in (here + distance, here - distance):
                if 0 <= place < len(self.starts) and place not in self.made:
                    while self.starts[place] not in self.keys and place - 1 not in self.made and place:
                        place -= 1  # the earlier part must be decoded anyway
                    return distance, place
        return None


class Previews:
    """The small pictures of all videos of a server."""

    def __init__(self, damaged: Callable[[Path, int], object] = lambda path, number: None) -> None:
        """Begin with no video; `damaged` is called with each frame that is found damaged, and gets no picture."""
        self._damaged = damaged
        self._folder = cache_folder("previews")
        self._plans: dict[Path, _Plan] = {}
        self._viewers: dict[tuple[Path, str], tuple[int, float]] = {}
        self._parts: OrderedDict[tuple[str, int], Part] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def plan(self, path: Path, table: FrameTable | None, count: int) -> None:
        """Begin to make the pictures of a video, once its frames are counted. In a short one, only look for damage."""
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
        plan = _Plan(path, table, count, part_starts(numbers, count), set(numbers), name)
        plan.made = {place for place in range(len(plan.starts)) if self._file(plan, place).exists()}
        with self._changed:
            self._plans[path] = plan
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="previews", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def look(self, path: Path, number: int, viewer: str) -> None:
        """Note the frame of a viewer, so that the pictures around it are made first."""
        with self._changed:
            self._viewers[path, viewer] = number, time.monotonic()
            self._changed.notify_all()

    def image(self, path: Path, number: int) -> Image | None:
        """Return the picture of a frame as RGB, at most `WIDTH` pixels wide, or None if it is not made yet."""
        plan = self._plans.get(path)
        if plan is None or plan.count < WORTH_MAKING or not 0 <= number < plan.count:
            return None
        place = bisect_right(plan.starts, number) - 1
        part = self._part(plan, place) if place in plan.made else None
        return None if part is None else part.image(number)

    def forget(self, path: Path) -> None:
        """Forget a video whose file has changed."""
        with self._changed:
            self._plans.pop(path, None)

    def close(self) -> None:
        """End the work. Finished parts stay in the cache."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(5)

    def _file(self, plan: _Plan, place: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{plan.name}-{plan.starts[place]}{SUFFIX}"

    def _part(self, plan: _Plan, place: int) -> Part | None:
        key = plan.name, place
        with self._changed:
            if key in self._parts:
                self._parts.move_to_end(key)
                return self._parts[key]
        try:
            content = read_kept(self._file(plan, place))
        except (OSError, ValueError):
            content = None
        if content is None:  # it was deleted to make room, or is damaged
            plan.made.discard(place)
            return None
        self._hold(key, part_of(content))
        return self._parts.get(key)

    def _hold(self, key: tuple[str, int], part: Part) -> None:
        with self._changed:
            self._parts[key] = part
            while len(self._parts) > _PARTS_HELD:
                self._parts.popitem(last=False)

    def _work(self) -> None:
        _step_back()
        reader: FrameReader | None = None
        of: _Plan | None = None
        while (found := self._next()) is not None:
            plan, place = found
            try:
                if reader is None or of is not plan:
                    if reader is not None:
                        reader.close()
                    reader, of = open_frames(plan.path, 0), plan
                    reader.share_index(plan.table)
                self._make(plan, place, reader)
            except (SourceError, OutputError, OSError, ValueError, av.FFmpegError) as error:
                log.info("%s has no previews: %s", plan.path.name, error)
                self.forget(plan.path)
        if reader is not None:
            reader.close()

    def _next(self) -> tuple[_Plan, int] | None:
        """Choose the part to make next, the nearest to any viewer; return None at the end."""
        with self._changed:
            while not self._closed:
                late = time.monotonic() - _PATIENCE
                self._viewers = {key: seen for key, seen in self._viewers.items() if seen[1] > late}
                choices = [
                    (*missing, plan)
                    for (path, _), (number, _) in self._viewers.items()
                    if (plan := self._plans.get(path)) and (missing := plan.missing(number))
                ]
                if choices:
                    _, place, plan = min(choices, key=lambda choice: choice[0])
                    return plan, place
                self._changed.wait()
            return None

    def _make(self, plan: _Plan, place: int, reader: FrameReader) -> None:
        stop = plan.starts[place + 1] if place + 1 < len(plan.starts) else plan.count
        pictures = self._pictures(plan.path, reader, plan.starts[place], stop)
        if plan.count < WORTH_MAKING:
            for _ in pictures:  # which tells the damage
                pass
            plan.made.add(place)
            return
        part = encode_part(pictures)
        if self._closed:
            return
        if len(part.numbers) == stop - plan.starts[place]:  # otherwise the next server has to find the damage again
            keep(self._file(plan, place), part.content(), _LIMIT)
        self._hold((plan.name, place), part)
        plan.made.add(place)

    def _pictures(self, path: Path, reader: FrameReader, first: int, stop: int) -> Iterator[tuple[int, Image]]:
        for number in range(first, stop):
            try:
                frame = reader.read(number, self._goes_on, WIDTH)
            except IndexError:  # it cannot be read
                self._damaged(path, number)
                continue
            if frame is None:
                return
            if frame.damaged:
                self._damaged(path, number)
                continue
            height, width = frame.image.shape[:2]
            yield number, frame.image[: height // 2 * 2, : width // 2 * 2]

    def _goes_on(self) -> bool:
        return not self._closed


def _step_back() -> None:
    """Give this thread, and those that its decoder starts, the lowest priority, if the system supports it."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
