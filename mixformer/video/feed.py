"""The queue of frames between the thread that reads a source and the one that uses them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from mixformer.types import Image

_PATIENCE = 0.1  # seconds after which a waiting thread looks whether all is over
_AHEAD = 8  # frames decoded before they are asked for


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame before its pixels are made: number, seconds or None, the function that makes RGB of it, and its bytes.

    `smaller` makes RGB of a width at most, where that costs less than making it smaller afterward.
    """

    index: int
    time: float | None
    picture: Callable[[], Image]
    size: int = 0
    smaller: Callable[[int], Image] | None = None


class Decoder(Protocol):
    """The origin of frames, which it decodes one after the other."""

    fps: float | None  # frames per second, or None
    count: int | None  # number of frames, or None
    skipped: list[int]  # numbers of frames that could not be read so far, and the first reason
    live: bool  # frames come at their own pace
    cut_short: str  # says how the source ended before its end; empty if it did not
    wanted: Callable[[], bool]  # tells a decoder that waits whether anybody still wants frames

    def frames(self, start: int) -> Iterator[RawFrame]:
        """Frames from number `start` on."""
        ...

    def close(self) -> None:
        """Release the source. It is called by the thread that reads it, or before there is one."""
        ...


@dataclass
class End:
    """The mark after the last frame: nothing, or the error that ended the source."""

    error: BaseException | None = None


class Feed:
    """A short queue between two threads.

    With `newest`, a frame that nobody has taken yet makes room for the one after it, except the first of all, which
    the target's box belongs to.
    """

    def __init__(self, newest: bool, over: threading.Event | None = None) -> None:
        self.passed_over = 0
        self._newest, self._items = newest, deque[Any]()
        self._changed = threading.Condition()
        self._ended, self._over = threading.Event(), over
        self._taken = 0

    def end_with(self, over: threading.Event) -> None:
        """End as soon as another thread sets this."""
        self._over = over

    @property
    def ended(self) -> bool:
        """Tell whether nobody wants frames any more."""
        return self._ended.is_set() or (self._over is not None and self._over.is_set())

    def end(self) -> None:
        """Ask the reading thread to stop, and drop what waits."""
        self._ended.set()
        with self._changed:
            self._items.clear()
            self._changed.notify_all()

    def put(self, item: RawFrame | Any) -> bool:
        """Hand an item on, when there is room for it; False if nobody wants it any more."""
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
        """Tell whether an item is there, after waiting for it so long."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._items or self.ended, seconds)) or self.ended

    def get(self, remind: Callable[[float], None] = lambda seconds: None) -> Any:
        """Take the next item; None when all is over. `remind` hears how long it has been waited for."""
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
    """Runs in the reading thread: hand all frames on, then the end or the error, and release the source."""
    end = End()
    try:
        for raw in decoder.frames(start):
            if (stop is not None and raw.index >= stop) or not _hand_on(feed, raw, decoder.live):
                break
    except BaseException as error:  # whatever it is, the caller gets it
        end = End(error)
    finally:
        feed.put(end)
        decoder.close()


def _hand_on(feed: Feed, raw: RawFrame, live: bool) -> bool:
    """Make the pixels here, beside the tracker; those of a live source are made when they are wanted."""
    if live:
        return feed.put(raw)
    image = raw.picture()
    return feed.put(RawFrame(raw.index, raw.time, lambda: image))
