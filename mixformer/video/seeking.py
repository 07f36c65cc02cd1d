"""Seek to a frame of a file by its number, exactly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av

from mixformer.video.frame_table import FrameTable, UntrustedIndexError, near_table, read_table
from mixformer.video.table_cache import WORTH_KEEPING, keep_table, kept_table, place_of_table

log = logging.getLogger(__name__)

_TRIES = 4  # key frames that a seek goes back before all frames are decoded


class NotWantedError(Exception):
    """Nobody waits for the wanted frame any more."""


@dataclass(frozen=True)
class Place:
    """The frame at which a seek arrived."""

    number: int  # number of the first frame in `frames`
    frames: list[Any]  # FFmpeg's frames of the packet, from that frame on
    begin: float  # time of frame 0 on the clock of the file, in seconds
    damaged: bool = False  # a frame on the way, since the last key frame, could not be read


def find_table(open_again: Any, number: int | None, name: str) -> FrameTable | None:
    """Read the table of frames of a file, up to frame `number`; None reads the table of all frames.

    `open_again` opens the file and returns the container and its video track. Returns None, with a logged message, if
    the table cannot be trusted.
    """
    if number is not None:
        container, stream = open_again()
        with container:
            table = near_table(container, stream, number)
        if table is not None:
            return table
    place = place_of_table(name)
    if (table := kept_table(place, number)) is not None:
        return table
    if number is not None and number >= WORTH_KEEPING:
        log.warning("%s: counting its frames takes a moment; the next start is quicker", name)
    container, stream = open_again()
    with container:
        try:
            table = read_table(container, stream, number)
        except UntrustedIndexError as error:
            log.warning("%s: %s; so all frames from the first on are decoded, which takes a while", name, error)
            return None
    keep_table(place, table, number is None)
    return table


def seek(container: Any, stream: Any, table: FrameTable, number: int, wanted: Callable[[], bool]) -> Place | None:
    """Go to a frame. The container's next packets then follow it.

    Returns None if other frames arrive than the table says; the position in the container is then undefined, as it is
    after NotWantedError, which ends this once `wanted` returns False.
    """
    for key in table.keys_before(number)[:_TRIES]:
        try:
            container.seek(key, stream=stream)
        except av.FFmpegError:
            continue
        if (place := go_on(container, stream, table, number, wanted)) is not None:
            return place
    return None


def key_alone(container: Any, stream: Any, time: int) -> Any | None:
    """Decode the key frame at a time, and no other frame; None if it is not there, or damaged.

    A decoder holds a frame back until later ones come. Here it is emptied, so that the container must seek to go on.
    """
    try:
        container.seek(time, stream=stream)
        packet = next(container.demux(stream))
        frames = [*packet.decode(), *stream.codec_context.decode(None)] if packet.pts == time else []
    except (av.FFmpegError, StopIteration, AssertionError):  # the last one if it is closed
        return None
    return frames[0] if len(frames) == 1 and frames[0].pts == time and not frames[0].is_corrupt else None


def go_on(
    container: Any,
    stream: Any,
    table: FrameTable,
    number: int,
    wanted: Callable[[], bool],
    last: int | None = None,
    damaged: bool = False,
) -> Place | None:
    """Decode from where the container is to the wanted frame, and compare all frames on the way with the table.

    Frames on the way that no other frame needs are not decoded. With B-frames, this saves about half of the time.
    `last` is the number of the frame that came before, which may be `damaged`; None means that a key frame comes.
    """
    try:
        for frames in _decoded(container, stream, table, table.times[number - table.first]):
            for place, frame in enumerate(frames):
                found = None if frame.pts is None else table.number_at(frame.pts)
                if last is None and not table.is_key(frame.pts):
                    continue  # it comes before the first key frame, and cannot be decoded without earlier frames
                if found is None or found > number or (last is not None and found <= last):
                    return None
                if found == number:
                    return Place(number, frames[place:], float(table.begin * stream.time_base), damaged)
                damaged = is_damaged(frame, damaged)
                last = found
            if not wanted():
                raise NotWantedError
    except av.FFmpegError:
        return None
    finally:
        stream.codec_context.skip_frame = "DEFAULT"
    return None


def is_damaged(frame: Any, before: bool) -> bool:
    """Tell whether FFmpeg's frame is damaged, or made from damaged ones, if the frame before it is (`before`)."""
    return bool(frame.is_corrupt or (before and not frame.key_frame))


def _decoded(container: Any, stream: Any, table: FrameTable, wanted: int) -> Iterator[list[Any]]:
    """Yield the frames of each packet after a seek; before the time `wanted`, only frames that others need.

    This ends at a key frame that is somewhere else in the file than the table says.
    """
    for packet in container.demux(stream):
        time = packet.dts if packet.pts is None else packet.pts
        if table.is_key(time) and not (packet.is_keyframe and table.may_be_at(time, packet.pos)):
            return
        before = packet.pts is not None and packet.pts < wanted
        stream.codec_context.skip_frame = "NONREF" if before else "DEFAULT"
        yield packet.decode()
