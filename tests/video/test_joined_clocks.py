"""Files whose clock jumps: recordings joined byte by byte, and times far apart."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from mixformer.video import open_video, open_writer
from tests.video.test_seeking import number_in, numbered

RATE = 48_000
CLOCK = Fraction(1, 90_000)


def write_part(path, numbers, times=None, sound=True, b_frames=2):
    """A recording of numbered frames at 25 a second, with a beep at the 10th frame of each 25."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"bf": str(b_frames), "g": "10"})
        video.width, video.height, video.pix_fmt = 144, 48, "yuv420p"
        video.codec_context.time_base = CLOCK
        packets = []
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(numbered(number))
            frame.pts, frame.time_base = (3600 * place if times is None else times[place]), CLOCK
            packets += [(place / 25, packet) for packet in video.encode(frame)]
        packets += [(len(numbers) / 25, packet) for packet in video.encode(None)]
        if sound:
            track = out.add_stream("aac", rate=RATE, layout="mono")
            for begin in range(0, len(numbers) * RATE // 25, 1024):
                time = (begin + np.arange(1024)) / RATE
                wave = 0.8 * np.sin(2000 * np.pi * time) * ((time % 1 >= 0.4) & (time % 1 < 0.5))
                heard = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = RATE, begin, Fraction(1, RATE)
                packets += [(begin / RATE, packet) for packet in track.encode(heard)]
            packets += [(len(numbers) / 25, packet) for packet in track.encode(None)]
        for _, packet in sorted(packets, key=lambda pair: pair[0]):
            out.mux(packet)


def joined(folder, *parts):
    """The parts as `cat a.ts b.ts` joins them."""
    whole = b""
    for place, part in enumerate(parts):
        path = folder / f"{place}.ts"
        write_part(path, part)
        whole += path.read_bytes()
    (folder / "joined.ts").write_bytes(whole)
    return folder / "joined.ts"


@pytest.mark.parametrize("start", [0, 60, 90, 160])
def test_a_seek_in_a_joined_recording_arrives_at_the_frame(tmp_path, start):
    """Both parts have the same times: frame 60 was given as frame 160, without a word."""
    path = joined(tmp_path, range(100), range(100, 200))
    with open_video(path, start) as video:
        frame = next(iter(video))
    assert (frame.index, number_in(frame.image)) == (start, start)


def test_times_go_on_where_the_clock_begins_anew(tmp_path, caplog):
    path = joined(tmp_path, range(75), range(75, 150))
    with open_video(path) as video:
        times = [frame.time for frame in video]
    assert times == pytest.approx([number / 25 for number in range(150)], abs=0.001)
    assert "its clock jumps back at frame 75" in caplog.text


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm", "avi"])
def test_joined_recordings_keep_their_sound_in_step(tmp_path, ending):
    """FFmpeg refused the sound of the second part; later, it came 30 ms later with each part."""
    parts, path = [range(33), range(33, 70), range(70, 107), range(107, 150)], tmp_path / f"out.{ending}"
    source = joined(tmp_path, *parts)
    with open_video(source) as video, open_writer(path, video.fps, source) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    wanted = [(part[0] + place) / 25 for part in parts for place in (10, 35) if place < len(part)]
    assert beeps(path) == pytest.approx(wanted, abs=0.02)


def beeps(path):
    """Times at which a beep begins, in seconds after the first picture."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time
    found, loud = [], False
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(float)).reshape(-1)
            wave /= 32768 if frame.format.name.startswith("s16") else 1
            for begin in range(0, len(wave), 48):
                now, time = wave[begin : begin + 48].max() > 0.3, frame.time + begin / frame.sample_rate - first
                if now and not loud and (not found or time - found[-1] > 0.3):
                    found.append(time)
                loud = now
    return found


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_pause_of_years_is_left_out(tmp_path, ending, caplog):
    """Silence for 30 years was encoded; an MP4 file cannot hold such times at all."""
    source, path = tmp_path / "years.mkv", tmp_path / f"out.{ending}"
    write_part(source, range(50), [3600 * place + (place >= 25) * 90_000 * 10**9 for place in range(50)])
    with caplog.at_level(logging.WARNING), open_video(source) as video, open_writer(path, 25, source) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    with open_video(path) as video:
        frames = [(number_in(frame.image), frame.time) for frame in video]
    assert [number for number, _ in frames] == list(range(50))
    assert [time for _, time in frames] == pytest.approx([place / 25 for place in range(50)], abs=0.002)
    assert "without a picture are left out" in caplog.text


@pytest.mark.parametrize(("pause", "most"), [(1000.0, 1000.04), (3000.0, 0.04)])
def test_a_pause_that_avi_does_not_take_is_left_out(tmp_path, pause, most):
    """AVI counts empty frames, and FFmpeg refuses so many: after 40 minutes without a picture, the video failed."""
    path = tmp_path / "out.avi"
    with open_writer(path, 25) as writer:
        writer.write(numbered(0), 0.0)
        writer.write(numbered(1), pause)
    with av.open(str(path)) as container:
        times = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.size]
    assert times[1] - times[0] == pytest.approx(most, abs=0.05)


@pytest.mark.parametrize("fps", [1e-9, 1e-4, 90_000.0, 1e9])
@pytest.mark.parametrize("ending", ["mp4", "avi", "gif"])
def test_any_rate_can_be_written(tmp_path, fps, ending):
    path = tmp_path / f"out.{ending}"
    with open_writer(path, fps) as writer:
        for number in range(3):
            writer.write(numbered(number), number / fps)
    with open_video(path) as video:
        assert len(list(video)) == 3
