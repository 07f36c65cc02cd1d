"""Write the sound of a source beside the pictures, at its time in the source."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mixformer.imaging.containers import open_container
from mixformer.imaging.images import is_picture
from mixformer.video.joined_sound import steady_sound
from mixformer.video.video_formats import VideoFormat

log = logging.getLogger(__name__)

_GAP = 0.01  # seconds; a longer gap is filled with silence, and a longer overlap is cut
_BLOCK = 1024  # samples in a frame, for encoders that take any number
_RATES = {"libopus": 48_000}
_SLOWEST_MP3 = 16_000  # samples a second; FFmpeg copies no slower ones into MP4
_NOTHING_BEFORE_ZERO = {"mp4", "mov"}  # packets before the time 0 would delay all sound in these


class Sound:
    """The first audio track of a file. It is copied if the format can hold it, else encoded again."""

    def __init__(self, source: str | Path, format: VideoFormat) -> None:
        self._format, self._close = format, ExitStack()
        self._track: Any = None
        self._packets: Iterator[Any] = iter(())
        self._work: Iterator[Any] = iter(())
        self._waiting: Any = None
        if is_picture(source):  # FFmpeg refuses most of these, and its message would say nothing to the user
            return
        try:
            container: Any = self._close.enter_context(open_container(source))
            if container.streams.audio and format.sound:
                self._track = container.streams.best("audio")
                self._packets = steady_sound(container, self._track)
        except (av.FFmpegError, OSError, ValueError) as error:
            log.warning("no sound: %s", error)

    def attach(self, container: Any, origin: float) -> None:
        """Add the track to the output, whose time 0 is at `origin` seconds on the source's clock."""
        if self._track is None:
            return
        try:
            codec = self._track.codec.canonical_name
            if codec in self._format.copied and not self._is_slow_mp3(codec):
                copied = _copied_samples if codec.startswith("pcm_") else _copied
                self._work = copied(self._packets, container.add_stream_from_template(self._track), origin)
            else:
                self._work = _encoded(self._packets, self._track, container, self._format.sound, origin)
                if self._format.container in _NOTHING_BEFORE_ZERO:
                    self._work = (packet for packet in self._work if packet.pts >= 0)
        except (av.FFmpegError, ValueError, TypeError) as error:
            log.warning("the sound is left out: %s", error)

    def _is_slow_mp3(self, codec: str) -> bool:
        rate = self._track.codec_context.sample_rate
        return codec == "mp3" and self._format.container == "mp4" and rate < _SLOWEST_MP3

    def until(self, time: float) -> Iterator[Any]:
        """Yield the next packets that begin before `time` seconds of the output."""
        while True:
            packet, self._waiting = self._waiting or next(self._work, None), None
            if packet is None:
                return
            if packet.pts * packet.time_base > time:
                self._waiting = packet
                return
            yield packet

    def close(self) -> None:
        """Release the source."""
        self._close.close()


def _copied(packets: Iterator[Any], target: Any, origin: float) -> Iterator[Any]:
    due = 0.0  # no packets before the pictures, which would delay these, nor over one before, as in joined recordings
    for packet in _readable(packets):
        if packet.pts is None or packet.dts is None:
            continue
        shift = round(origin / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.pts >= due:
            due = packet.pts + (packet.duration or 1) / 2
            packet.stream = target
            yield packet


def _copied_samples(packets: Iterator[Any], target: Any, origin: float) -> Iterator[Any]:
    """Copy uncompressed sound from the time 0 on, exact to a sample, since some players join such packets."""
    size, rate = target.codec_context.channels * _bytes(target), target.codec_context.sample_rate
    due = 0
    for packet in _readable(packets):
        if packet.pts is None:
            continue
        data, begin = bytes(packet), round((packet.pts * packet.time_base - origin) * rate)
        if begin < due:
            data, begin = data[(due - begin) * size :], due
        elif begin - due > _GAP * rate:
            for silent in range(due, begin, rate):
                yield _samples(bytes(min(rate, begin - silent) * size), silent, rate, target)
        else:
            begin = due
        if data:
            yield _samples(data, begin, rate, target)
            due = begin + len(data) // size


def _bytes(target: Any) -> int:
    """Return the bytes of a sample of one channel, from the name of a codec such as `pcm_s24le`."""
    return int("".join(sign for sign in target.codec.canonical_name[4:] if sign.isdigit())) // 8


def _samples(data: bytes, begin: int, rate: int, target: Any) -> Any:
    packet = av.Packet(data)
    packet.pts = packet.dts = begin
    packet.time_base, packet.stream = Fraction(1, rate), target
    return packet


def _encoded(packets: Iterator[Any], track: Any, container: Any, codec: str, origin: float) -> Iterator[Any]:
    """Encode sound without gaps from the time 0 on. The track is added before the first packet is read."""
    rate = _RATES.get(codec) or _rate_for(codec, track.codec_context.sample_rate)
    layout = "mono" if track.codec_context.channels == 1 else "stereo"
    target = container.add_stream(codec, rate=rate, layout=layout)
    return _encode(packets, target, rate, layout, origin)


def _rate_for(codec: str, rate: int) -> int:
    """Return the rate itself, or the next one that the encoder takes: AAC knows thirteen, and cameras write others."""
    known = av.Codec(codec, "w").audio_rates or [rate]
    return min((each for each in known if each >= rate), default=max(known))


def _encode(packets: Iterator[Any], target: Any, rate: int, layout: str, origin: float) -> Iterator[Any]:
    block, written, waiting = 0, 0, np.zeros((0, 1 if layout == "mono" else 2), np.int16)
    for samples in _gapless(packets, rate, layout, origin):
        waiting = np.concatenate([waiting, samples])
        target.codec_context.open(strict=False)
        block = block or target.codec_context.frame_size or _BLOCK
        while len(waiting) >= block:
            yield from target.encode(_frame(waiting[:block], target, rate, layout, written))
            waiting, written = waiting[block:], written + block
    if len(waiting):
        yield from target.encode(_frame(waiting, target, rate, layout, written))
    yield from target.encode(None)


def _frame(samples: Any, target: Any, rate: int, layout: str, at: int) -> Any:
    if target.codec_context.format.is_planar:
        plane = np.ascontiguousarray(samples.T.astype(np.float32) / 32768)
        frame = av.AudioFrame.from_ndarray(plane, format="fltp", layout=layout)
    else:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame


def _gapless(packets: Iterator[Any], rate: int, layout: str, origin: float) -> Iterator[Any]:
    """Yield 16-bit samples (n, channels) from the time `origin` on, with silence in gaps."""
    resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
    channels, position = 1 if layout == "mono" else 2, 0
    for packet in _readable(packets):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            continue  # its time is filled with silence
        for frame in decoded:
            for part in resampler.resample(frame):
                samples = part.to_ndarray().reshape(-1, channels)
                due = position if part.time is None else round((part.time - origin) * rate)
                if due - position > _GAP * rate:
                    for begin in range(position, due, rate):  # a second at a time, to limit memory
                        yield np.zeros((min(rate, due - begin), channels), np.int16)
                    position = due
                elif position - due > _GAP * rate or due < 0:
                    samples = samples[position - due :]
                position += len(samples)
                yield samples


def _readable(packets: Iterator[Any]) -> Iterator[Any]:
    """Yield packets until the end, or until the file breaks off."""
    try:
        yield from packets
    except av.FFmpegError as error:
        log.warning("the sound breaks off: %s", error)
