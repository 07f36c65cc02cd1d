"""The queue of frames between the thread that reads a source and the thread that uses them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mixformer.types import Image

_PATIENCE = 0.1  # seconds after which a waiting thread checks whether it should end
_AHEAD = 8  # number of frames to decode in advance


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame before its conversion to RGB."""

    index: int  # number of the frame
    time: float | None  # seconds
    picture: Callable[[], Image]  # converts it to RGB
    size: int = 0  # number of bytes
    coded: Any = None  # FFmpeg's frame, for those who want it smaller; None where there is no such frame
    damaged: bool = False  # a frame that it was made from could not be read


class Decoder(Protocol):
    """An object that decodes the frames of a source, one after the other."""

    fps: float | None  # frames per second, or None if unknown
    count: int | None  # number of frames, or None if unknown
    skipped: list[int]  # numbers of frames that could not be read so far
    live: bool  # frames come at their own pace
    cut_short: str  # how the source ended too early; empty if it did not
    wanted: Callable[[], bool]  # tells a waiting decoder whether anybody still wants frames

    def frames(self, start: int) -> Iterator[RawFrame]:
        """Yield the frames from number `start` on."""
        ...

    def close(self) -> None:
        """Release the source. The thread that reads it calls this; before it starts, another thread may."""
        ...


@dataclass
class End:
    """The mark after the last frame, with the error that ended the source, if any."""

    error: BaseException | None = None


class Feed:
    """A short queue between two threads.

    With `newest`, a new frame replaces one that nobody has taken yet. The very first frame is never replaced, since the
    target's box belongs to it.
    """

    def __init__(self, newest: bool, over: threading.Event | None = None) -> None:
        self.passed_over = 0
        self.over = over  # event by which another thread ends the queue
        self._newest, self._items = newest, deque[Any]()
        self._changed = threading.Condition()
        self._ended, self._taken = threading.Event(), 0

    @property
    def ended(self) -> bool:
        """True if nobody wants frames any more."""
        return self._ended.is_set() or (self.over is not None and self.over.is_set())

    def end(self) -> None:
        """Ask the reading thread to stop, and drop all waiting frames."""
        self._ended.set()
        with self._changed:
            self._items.clear()
            self._changed.notify_all()

    def put(self, item: RawFrame | Any) -> bool:
        """Add an item as soon as there is room. Return False if nobody wants it any more."""
        keep = _AHEAD if not self._newest else 1 if self._taken else 2
        with self._changed:
            while len(self._items) >= keep and not self.ended and not isinstance(item, End):
                if self._newest:
                    self._items.pop()
                    self.passed_over += 1
                else:
                    self._changed.wait(_PATIENCE)
            if self.ended:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def ready(self, seconds: float = 0.0) -> bool:
        """Tell whether an item is there, after waiting for it at most this long."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._items or self.ended, seconds)) or self.ended

    def get(self, remind: Callable[[float], None] = lambda seconds: None) -> Any:
        """Take the next item; return None at the end. While waiting, call `remind` with the seconds so far."""
        begin = time.monotonic()
        while not self.ended:
            with self._changed:
                if not self._items:
                    self._changed.wait(_PATIENCE)
                if self._items:
                    self._taken += 1
                    item = self._items.popleft()
                    self._changed.notify_all()
                    return item
            remind(time.monotonic() - begin)
        return None


def fill(feed: Feed, decoder: Decoder, start: int, stop: int | None) -> None:
    """Put all frames of a decoder into the queue, then the end or the error, and release the source.

    This runs in the reading thread.
    """
    end = End()
    try:
        for raw in decoder.frames(start):
            if stop is not None and raw.index >= stop:
                break
            if not decoder.live:  # converted in this thread; a live frame only when it is used
                image = raw.picture()
                raw = replace(raw, picture=lambda image=image: image, size=0, coded=None)  # type: ignore[misc]
            if not feed.put(raw):
                break
    except BaseException as error:  # the caller gets every error
        end = End(error)
    finally:
        feed.put(end)
        decoder.close()
