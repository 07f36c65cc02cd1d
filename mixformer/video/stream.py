"""Frames of a file, a device or an address through FFmpeg."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import av

from mixformer.errors import SourceError, counted
from mixformer.imaging.containers import explain, main_video, open_container, upright, videos_in
from mixformer.video.feed import RawFrame
from mixformer.video.frame_numbers import FrameNumbers
from mixformer.video.frame_table import FrameTable, read_times
from mixformer.video.seeking import Place, find_table, go_on, is_damaged, key_alone, seek
from mixformer.video.steady_clock import SteadyClock

log = logging.getLogger(__name__)

_MISSING = 2  # frames that a container may promise and not have, before the file counts as cut short
_MISSING_SECONDS = 0.5
_NO_ROOM = (errno.EAGAIN, errno.EMFILE)  # no thread or file can be had, which is no fault of the frame
_WORTH_SEEKING = 50  # frames; so few are decoded as fast


def open_stream_container(
    address: str, format: str | None = None, options: dict[str, str] | None = None, timeout: float | None = None
) -> Any:
    """Open a container that holds a video; see `open_container`. Raises SourceError if that fails, or it holds none."""
    try:
        container: Any = open_container(address, format, options, timeout)
    except av.ExitError as error:
        raise SourceError(no_answer(address, timeout or 0)) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(explain(address, error)) from error
    if not videos_in(container):
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        container.close()
        raise SourceError(f"{address} has no video track that can be decoded; it holds {kinds}")
    return container


def no_answer(address: str, seconds: float) -> str:
    """Say that nothing came from a source in time."""
    return f"{address} did not send a video within {seconds:g} s; check the address, or wait longer with --timeout"


class Stream:
    """The main video track of an open container; see `Decoder`."""

    def __init__(self, name: str, container: Any, live: bool = False, timeout: float | None = None) -> None:
        self.name, self.live = name, live
        self.wanted: Callable[[], bool] = lambda: True
        self._container, self._timeout = container, timeout
        self._stream = main_video(container)
        self._stream.thread_type = "SLICE" if live else "AUTO"  # frame threads hold frames back
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else None
        self.count: int | None = None if live else self._promised() or self._stream.frames or None
        self.skipped: list[int] = []
        self.base = 0  # number of the first frame, if the stream goes on for one that broke off
        self.reason = self.cut_short = ""
        self.broke_off = ""  # why reading ended before the end; empty after a regular end
        self.table: FrameTable | None = None  # of all frames, if it was read before
        self._here: tuple[int, bool] | None = None  # number of the last frame, and whether it is damaged
        self._size = _size_of(name)

    def frames(self, start: int) -> Iterator[RawFrame]:
        """Frames from number `start` on."""
        place = self._go_to(start) if start >= _WORTH_SEEKING and self._timeout is None else None
        first, end = place.begin if place else None, None
        damaged = place is not None and place.damaged
        numbers = FrameNumbers(place.number if place else 0, self._times, partial(self._skip, start))
        clock = SteadyClock(self.name, 1 / self.fps if self.fps else 0.0)
        for decoded in self._decoded(place.frames if place else []):
            if not isinstance(decoded, list):
                numbers.fail(decoded)
                damaged = True
                continue
            for frame in decoded:
                damaged = is_damaged(frame, damaged)
                if (index := numbers.take(frame)) is None:
                    continue
                first = numbers.begin(frame) if first is None else first
                end = self._end_of(frame) or end
                time = None if frame.time is None or first is None else clock.read(frame.time - first, index)
                if frame.is_corrupt:
                    self._skip(start, index, "corrupt data")
                elif index >= start:
                    size = sum(plane.buffer_size for plane in frame.planes)
                    self._here = index, damaged
                    yield RawFrame(index, time, partial(upright, frame), size, frame, damaged)
        self._here = None
        if not self.live:
            self._judge_end(numbers.end(), end)

    def _decoded(self, before: list[Any]) -> Iterator[list[Any] | Exception]:
        """Frames of each packet, or the error of decoding it."""
        yield before
        for packet in self._packets():
            try:
                yield packet.decode()
            except av.EOFError:  # a seek near the end has emptied the decoder already
                return
            except av.FFmpegError as error:
                if error.errno in _NO_ROOM:
                    raise SourceError(f"{self.name} cannot be decoded now: {error}; close other programs") from error
                yield error

    def can_go_to(self, number: int) -> bool:
        """Tell whether `frames` may be called again, from this number on, without opening the file anew.

        In formats whose packets have no times of their own, such as AVI, these may be wrong after a second seek.
        """
        return self._is_timed() and self.table is not None and number >= _WORTH_SEEKING

    def key_frame(self, number: int) -> RawFrame | None:
        """Return a key frame, decoded alone; None where that is not possible. `frames` must then begin anew."""
        if self.table is None or not self.can_go_to(max(number, _WORTH_SEEKING)):
            return None
        frame = key_alone(self._container, self._stream, self.table.times[number - self.table.first])
        self._here = None
        return None if frame is None else RawFrame(number, None, partial(upright, frame), coded=frame)

    def _go_to(self, number: int) -> Place | None:
        """Seek to a frame of a file; None where all before it have to be decoded."""
        table = self.table or find_table(self._open_again, number, self.name)
        here, self._here, place = self._here, None, None
        if table is None:
            return None
        key = table.key_number(number)
        if here and key is not None and key <= here[0] < number:
            place = go_on(self._container, self._stream, table, number, self.wanted, *here)
        place = place or seek(self._container, self._stream, table, number, self.wanted)
        if place is None:
            if number < table.first + len(table.times):
                log.warning("%s: a seek does not arrive where its index says; all frames are decoded", self.name)
            self._container.close()
            self._container, self._stream = self._open_again()
        return place

    def read_index(self) -> FrameTable | None:
        """Read the table of all frames, for `table`; None where the packets do not tell."""
        return find_table(self._open_again, None, self.name)

    def _is_timed(self) -> bool:
        return any(name in self._container.format.name for name in ("mp4", "matroska"))

    def _times(self) -> list[int]:
        """Read the times of all frames of a file in order; none where the packets do not tell."""
        if self.live or self._timeout is not None or not self._is_timed():
            return []
        with suppress(SourceError, av.FFmpegError):
            container, stream = self._open_again()
            with container:
                return read_times(container, stream)
        return []

    def _open_again(self) -> tuple[Any, Any]:
        container = open_stream_container(self.name)
        stream = main_video(container)
        stream.thread_type = "AUTO"
        return container, stream

    def _packets(self) -> Iterator[Any]:
        """Packets until the end; a container that breaks off ends the video instead of losing what was read."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                late = isinstance(error, av.ExitError)
                self.broke_off = f"no data came for {self._timeout or 0:g} s" if late else str(error)
                return
            yield packet

    def _end_of(self, frame: Any) -> float | None:
        """Time in seconds until which a frame is shown; the last one of a GIF or a recorded screen may stay long."""
        if frame.time is None:
            return None
        usual = 1 / self.fps if self.fps else 0.0
        until: float = frame.time + max(float((frame.duration or 0) * frame.time_base), usual)
        return until

    def _judge_end(self, count: int, last: float | None) -> None:
        """Compare what came until the time `last` with what the container promised, and say what is missing."""
        promised, end, about = self._promised(), self._end(), ""
        short = promised is not None and count < promised - _MISSING
        if not short and end is not None and last is not None and self.fps:
            short = last < end - max(_MISSING_SECONDS, 2 / self.fps)
            if short and promised is None:
                promised, about = count + round((end - last) * self.fps), "about "
        if _size_of(self.name) != self._size and not self.broke_off:
            self.broke_off = "it changed while it was read; wait until it is written"
        if not short and not self.broke_off:
            return
        numbers = f"{count} of {about}{promised} frames" if promised and promised > count else counted(count, "frame")
        why = f" ({self.broke_off})" if self.broke_off else ""
        self.cut_short = f"{self.name} is cut short: {numbers} are there{why}"
        log.warning("%s", self.cut_short)

    def _promised(self) -> int | None:
        """Number of frames by the index of an MP4 or MOV file, where it is exact, without those that are cut away."""
        if "mp4" not in self._container.format.name or not self._stream.frames:
            return None
        return sum(not entry.is_discard for entry in self._stream.index_entries) or int(self._stream.frames)

    def _end(self) -> float | None:
        """Time of the end by the container's header, in seconds, as far as it speaks of the video alone."""
        stream, container = self._stream, self._container
        if container.format.name in ("mpegts", "mpeg"):  # these estimate it from what is there
            return None
        if stream.duration and stream.time_base and "matroska" not in container.format.name:
            return float((stream.start_time or 0) * stream.time_base + stream.duration * stream.time_base)
        if container.duration and len(container.streams) == 1:
            return float(((container.start_time or 0) + container.duration) / av.time_base)
        return _tagged_duration(stream.metadata.get("DURATION", ""))

    def _skip(self, start: int, index: int, reason: object) -> None:
        """Note a frame that cannot be read; nobody wants those before `start`."""
        if index >= start:
            self.skipped.append(self.base + index)
            self.reason = self.reason or str(reason)
            log.warning("skipped frame %d: %s", self.base + index, reason)

    def close(self) -> None:
        """Close the container."""
        self._container.close()


def _size_of(name: str) -> int:
    """Return the bytes of a file; 0 for anything else, such as an address."""
    with suppress(OSError, ValueError):
        return os.path.getsize(name)
    return 0


def _tagged_duration(text: str) -> float | None:
    """Seconds of Matroska's tag of a track, such as 00:00:02.120000000."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds
