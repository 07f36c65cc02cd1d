"""Open network sources and cameras within a time limit, and reconnect them when they break off."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any, TypeVar

from mixformer.errors import SourceError, counted
from mixformer.video.feed import RawFrame
from mixformer.video.stream import Stream, no_answer, open_stream_container

log = logging.getLogger(__name__)
T = TypeVar("T")

_SAY_AFTER = 2.0  # seconds without an answer after which a message is logged
_STEADY = 30.0  # seconds of frames after which a broken connection gets all its new tries again
_ALWAYS_LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt", "mms", "mmsh")


def never_ends(address: str) -> bool:
    """Tell whether an address has a protocol of cameras, which send until they are turned off."""
    return address.partition("://")[0].lower() in _ALWAYS_LIVE


def open_stream(
    name: str,
    address: str,
    format: str | None,
    options: dict[str, str] | None,
    timeout: float,
    wanted: Callable[[], bool],
) -> Stream:
    """Open a source that may never answer: `name` in messages, and the address, input format and options of FFmpeg.

    FFmpeg opens it in a separate thread, which is abandoned if it does not return. So Ctrl-C works, and a name server
    that never answers blocks nothing. Raises SourceError if the source does not open within `timeout` seconds, is no
    video, or if `wanted`, which is called again and again meanwhile, returns False.
    """
    attempt: Opening[Any] = Opening(lambda: open_stream_container(address, format, options, timeout))
    begin, said = time.monotonic(), False
    try:
        while not wait([attempt], 0.05).done:
            waited = time.monotonic() - begin
            if not wanted() or waited > timeout + 0.5:
                raise SourceError(no_answer(name, timeout))
            if waited > _SAY_AFTER and not said:
                said = True
                log.warning("waiting for %s (up to %g s; Ctrl-C ends it)", name, timeout)
    except BaseException:  # also Ctrl-C
        attempt.abandon()
        raise
    container = attempt.result()
    # A camera, or an address with a protocol of cameras or of unknown length.
    live = format is not None or never_ends(address) or not container.duration or container.duration < 0
    return Stream(name, container, live, timeout)


class Opening(Future[T]):
    """A call that opens something, in a thread that can be abandoned."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__()
        threading.Thread(target=self._run, args=(call,), name="open", daemon=True).start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self.set_result(call())
        except BaseException as error:  # the caller gets every error
            self.set_exception(error)

    def abandon(self) -> None:
        """Abandon the call. If it still opens something, its thread closes that."""
        self.add_done_callback(lambda done: None if done.exception() else done.result().close())  # type: ignore[attr-defined]


class LiveStream:
    """A stream that is opened again when it breaks off; see `Decoder`. Numbers and times of frames continue."""

    live = True
    count: int | None = None

    def __init__(self, name: str, open: Callable[[Callable[[], bool]], Stream], first: Stream, reconnects: int) -> None:
        self._name, self._open, self._stream, self._reconnects = name, open, first, reconnects
        self.fps, self.skipped, self.reason, self.cut_short = first.fps, first.skipped, "", ""
        self.wanted: Callable[[], bool] = lambda: True

    def frames(self, start: int) -> Iterator[RawFrame]:
        """Yield the frames from number `start` on, over several connections if needed."""
        base, origin, offset, tries = 0, time.monotonic(), 0.0, 0
        while True:
            begin, next_index = time.monotonic(), base
            for raw in self._stream.frames(0):
                next_index = base + raw.index + 1
                if base + raw.index >= start:
                    time_since = None if raw.time is None else offset + raw.time
                    yield replace(raw, index=base + raw.index, time=time_since)
            if not self.wanted():
                return
            why = self._stream.broke_off or "the connection was closed"
            if next_index == 0:
                raise SourceError(f"{self._name} sent no frame: {why}")
            tries = 0 if time.monotonic() - begin > _STEADY else tries
            self._stream.close()
            stream, tries = self._connect_again(why, tries)
            if stream is None:
                self.cut_short = f"{self._name} ended after {counted(next_index, 'frame')}: {why}"
                log.warning("%s", self.cut_short)
                return
            stream.skipped, stream.base = self.skipped, next_index
            self._stream, base, offset = stream, next_index, time.monotonic() - origin

    def _connect_again(self, why: str, tries: int) -> tuple[Stream | None, int]:
        """Open the source again; return it, or None if all tries fail, and the number of tries."""
        while tries < self._reconnects and self.wanted():
            tries += 1
            log.warning("%s: %s; connecting again (%d of %d)", self._name, why, tries, self._reconnects)
            if not self._pause(0.5 * 2 ** (tries - 1)):
                break
            try:
                return self._open(self.wanted), tries
            except SourceError as error:
                why = str(error).removeprefix(f"{self._name} ")
        return None, tries

    def _pause(self, seconds: float) -> bool:
        """Wait; return False as soon as nobody wants frames any more."""
        end = time.monotonic() + seconds
        while self.wanted() and time.monotonic() < end:
            time.sleep(0.05)
        return self.wanted()

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
