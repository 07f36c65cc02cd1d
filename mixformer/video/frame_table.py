"""The table of presentation times and key frames of a file, which an exact seek needs.

The number of a frame is its place in the order of presentation. If every packet is one frame with its own time, numbers
are found without decoding. A seek then goes to a key frame, and compares the frames that arrive with the table.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import av

from mixformer.errors import SourceError

_ONE_FRAME_A_PACKET = {
    *("h264", "hevc", "vvc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "msmpeg4v3", "mjpeg"),
    *("prores", "dnxhd", "ffv1", "huffyuv", "rawvideo", "png"),
}


class UntrustedIndexError(SourceError):
    """The numbers of the frames cannot be found from the packets of a file; the message says why."""


@dataclass(frozen=True)
class FrameTable:
    """The times of frames, in units of their track."""

    times: list[int]  # presentation time of each frame, rising
    keys: list[int]  # presentation times of the key frames, rising; several are the same if the clock begins anew
    first: int  # number of the first frame in `times`
    begin: int  # time of frame 0
    spots: list[int] = field(default_factory=list)  # byte of each key frame in the file, -1 if unknown; or empty

    def number_at(self, time: int) -> int | None:
        """Return the number of the frame at exactly this time, or None."""
        place = place_of(self.times, time)
        return None if place is None else self.first + place

    def is_key(self, time: int | None) -> bool:
        """Tell whether a key frame is shown at this time."""
        return time is not None and place_of(self.keys, time) is not None

    def may_be_at(self, time: int | None, spot: int | None) -> bool:
        """Tell whether a key frame of this time can be at this place of the file.

        Where the places of others are known, the time of one without a place is an estimate of FFmpeg.
        """
        if not self.spots or self.spots[0] < 0 or not self.is_key(time):
            return True
        return self.spots[bisect_left(self.keys, time or 0)] == spot

    def key_number(self, number: int) -> int | None:
        """Return the number of the last key frame at or before a frame, or None if it is unknown."""
        keys = self.keys_before(number)
        return self.number_at(keys[0]) if keys else None

    def keys_before(self, number: int) -> list[int]:
        """List the times of the key frames at or before a frame, the nearest first."""
        if not self.first <= number < self.first + len(self.times):
            return []
        return self.keys[: bisect_right(self.keys, self.times[number - self.first])][::-1]


def place_of(times: list[int], time: int) -> int | None:
    """Return the first place of exactly this time among rising ones, or None."""
    place = bisect_left(times, time)
    return place if place < len(times) and times[place] == time else None


def near_table(container: Any, stream: Any, number: int) -> FrameTable | None:
    """Read the table around one frame with the index of an MP4 or MOV file, which lists every packet.

    Returns None if there is no such index, or it is not simple. `read_table` then reads the packets.
    """
    entries = list(stream.index_entries) if "mp4" in container.format.name else []
    if len(entries) != stream.frames or any(entry.is_discard for entry in entries) or stream.start_time is None:
        return None
    places = [place for place, entry in enumerate(entries) if entry.is_keyframe]
    if not places or places[0] != 0:
        return None
    stamps = [entry.timestamp for entry in entries]
    last = bisect_right(places, number)
    for place in places[max(0, last - 3) : last][::-1]:
        table = _group(container, stream, stamps, stamps[place], number)
        if table is not None and table.first <= number < table.first + len(table.times):
            return table
    return None


def _group(container: Any, stream: Any, stamps: list[int], begin: int, number: int) -> FrameTable | None:
    """Read the packets from the key frame where a seek arrives until the key frame after a frame."""
    container.seek(begin, stream=stream)
    times: list[int] = []
    keys: list[int] = []
    place = 0
    for packet in container.demux(stream):
        if packet.size == 0 or packet.pts is None:
            break
        if not keys:
            place = bisect_left(stamps, packet.dts or 0)
            if not packet.is_keyframe or place == len(stamps) or stamps[place] != packet.dts:
                return None  # the index is wrong
        if packet.is_keyframe:
            if place + len(times) > number:
                break
            keys.append(packet.pts)
        times.append(packet.pts)
    shown = sorted(time for time in times if time >= keys[0]) if keys else []
    if len(set(shown)) != len(shown) or not shown:
        return None
    # The other frames are shown before the key frame that they follow.
    return FrameTable(shown, sorted(keys), place + len(times) - len(shown), stream.start_time)


def read_table(container: Any, stream: Any, until: int | None = None) -> FrameTable:
    """Read the table from the packets of a file that is at its beginning, up to frame `until`; None reads all.

    Raises UntrustedIndexError if the numbers of the frames cannot be found from the packets.
    """
    codec = _codec_with_times(container, stream)
    times: list[int] = []
    keys: list[tuple[int, int]] = []
    try:
        for time, is_key, spot in _packets(container, stream, hidden_frames=codec == "vp8"):
            if is_key and until is not None and len(times) > until:
                break  # frames before this one may still come, but they are later than `until`
            if is_key:
                keys.append((time, spot))
            elif not keys:
                raise UntrustedIndexError("it does not begin with a key frame")
            times.append(time)
    except av.FFmpegError as error:
        if until is None or len(times) <= until:
            raise UntrustedIndexError(f"it is damaged: {error}") from error
    return _checked(times, keys)


def read_times(container: Any, stream: Any) -> list[int]:
    """Read the times of all frames of a file that is at its beginning, rising, also without a key frame.

    Raises UntrustedIndexError if the packets do not tell, and what FFmpeg raises where the file is damaged.
    """
    codec = _codec_with_times(container, stream)
    times = sorted(time for time, _, _ in _packets(container, stream, hidden_frames=codec == "vp8"))
    _require_different(times)
    return times


def _codec_with_times(container: Any, stream: Any) -> str:
    """Return the codec. Raises UntrustedIndexError if the packets of such a file do not tell when frames are shown."""
    codec: str = stream.codec_context.codec.canonical_name
    if codec not in _ONE_FRAME_A_PACKET:
        raise UntrustedIndexError(f"packets of {codec} are not always one frame")
    if container.format.name == "avi" and stream.codec_context.has_b_frames:
        raise UntrustedIndexError("AVI has no times of showing, which B-frames need")
    return codec


def _packets(container: Any, stream: Any, hidden_frames: bool) -> Iterator[tuple[int, bool, int]]:
    """Yield the presentation time of each visible packet, whether it is a key frame, and its place in the file."""
    in_order = not stream.codec_context.has_b_frames  # then the time of decoding is the same
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard or (hidden_frames and not bytes(packet)[0] & 0x10):
            continue
        time = packet.dts if packet.pts is None and in_order else packet.pts
        if time is None:
            raise UntrustedIndexError("its packets have no times of showing")
        yield time, packet.is_keyframe, -1 if packet.pos is None else packet.pos


def _checked(times: list[int], keys: list[tuple[int, int]]) -> FrameTable:
    if any(later < earlier for (earlier, _), (later, _) in pairwise(keys)):
        raise UntrustedIndexError("its clock jumps back")
    times.sort()
    if not keys or times[0] != keys[0][0]:
        raise UntrustedIndexError("it begins with frames that cannot be decoded")
    _require_different(times)
    keys = [(time, spot) for time, spot in keys if spot >= 0] or keys  # a seek to the others may arrive anywhere
    return FrameTable(times, [time for time, _ in keys], 0, times[0], [spot for _, spot in keys])


def _require_different(times: list[int]) -> None:
    if any(first == second for first, second in pairwise(times)):
        raise UntrustedIndexError("two of its frames have the same time")
