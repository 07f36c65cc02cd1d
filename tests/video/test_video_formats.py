"""A player shows the output as it shows the source: rows B1, B6 and C8 in the findings on 0.1.0."""

from fractions import Fraction

import av
import numpy as np
import pytest

from mixformer.video import open_video, open_writer
from mixformer.video.video_formats import VIDEO_FORMATS

RATE, BEEP = 48_000, 0.8  # the beep's place in seconds
PICTURES = [np.full((64, 96, 3), (40 + 4 * number, 90, 160), np.uint8) for number in range(50)]


def source(path, sound="aac", offset=0.0, size=(96, 64), **colors):
    """Write a clip of 2 s at 25 FPS with a beep, whose clock begins at `offset`."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"} if offset else {}) as container:
        codec = "libvpx" if path.suffix == ".webm" else "mpeg4" if path.suffix == ".avi" else "libx264"
        video = container.add_stream(codec, rate=25, options={"bf": "0"} if codec == "libx264" else {})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        for name, value in colors.items():
            setattr(video.codec_context, name, value)
        track = container.add_stream(sound, rate=RATE, layout="mono")
        for number, picture in enumerate(PICTURES):
            frame = av.VideoFrame.from_ndarray(np.resize(picture, (size[1], size[0], 3)), format="rgb24")
            frame.pts, frame.time_base = number + round(offset * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        time = np.arange(2 * RATE) / RATE
        wave = (np.sin(6283 * time) * 20000 * ((time > BEEP) & (time < BEEP + 0.1))).astype(np.int16)
        for begin in range(0, len(wave), 960):
            block = av.AudioFrame.from_ndarray(wave[None, begin : begin + 960].copy(), format="s16", layout="mono")
            block.sample_rate, block.pts = RATE, begin + round(offset * RATE)
            block.time_base = Fraction(1, RATE)
            container.mux(track.encode(block))
        container.mux(track.encode(None))
    return path


def beep(path):
    """Time of the beep against the first picture, and the time of that."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        loud = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in container.decode(audio=0):
            for part in loud.resample(frame):
                where = np.flatnonzero(np.abs(part.to_ndarray()[0].astype(int)) > 3000)
                if len(where):
                    return part.time + where[0] / RATE - first, first
    return None, first


def write(source, out, start=0):
    with open_video(source, start) as video, open_writer(out, video.fps, source) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
@pytest.mark.parametrize(
    ("name", "sound", "offset"),
    [
        ("a.mp4", "aac", 0),
        ("a.ts", "aac", 0),
        ("a.mkv", "aac", 5),
        ("a.mov", "pcm_s16le", 0),
        ("a.webm", "libopus", 0),
        ("a.avi", "pcm_s16le", 0),
    ],
)
def test_b1_sound_keeps_its_distance_to_the_pictures(tmp_path, name, sound, offset, ending, start):
    made = source(tmp_path / name, sound, offset)
    write(made, tmp_path / f"out{ending}", start)
    was, _ = beep(made)
    now, first = beep(tmp_path / f"out{ending}")
    assert first == 0
    assert now == pytest.approx(was - start / 25, abs=0.02)


@pytest.mark.parametrize("ending", VIDEO_FORMATS)
@pytest.mark.parametrize("fps", [1, 25, 30000 / 1001])
def test_b6_the_clock_is_that_of_the_source(tmp_path, ending, fps):
    out = tmp_path / f"out{ending}"
    with open_writer(out, fps) as writer:
        for number in range(12):
            writer.write(PICTURES[number], number / fps)
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        rate = float(container.streams.video[0].average_rate)
    within = 0.12 if ending == ".gif" else 0.03  # GIF counts hundredths of a second
    assert rate == pytest.approx(fps, rel=within)
    assert times[0] == 0
    assert times == pytest.approx([number / fps for number in range(12)], abs=0.011)
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    capture = cv2.VideoCapture(str(out))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=within)
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 12


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(("matrix", "range_"), [(1, 1), (6, 1), (1, 2)])
def test_b6_colors_are_tagged_as_in_the_source(tmp_path, ending, matrix, range_):
    colors = {"colorspace": matrix, "color_range": range_, "color_primaries": matrix, "color_trc": matrix}
    made = source(tmp_path / "a.mp4", **colors)
    write(made, tmp_path / f"out{ending}")
    seen = []
    for path in (made, tmp_path / f"out{ending}"):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            seen.append(frame.to_ndarray(format="rgb24").mean((0, 1)))
            assert (int(frame.colorspace), int(frame.color_range)) == (matrix, range_)
    assert seen[0] == pytest.approx(seen[1], abs=4)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".avi"])
def test_b6_the_shape_of_pixels_is_kept(tmp_path, ending):
    made = source(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(4, 3))
    write(made, tmp_path / f"out{ending}")
    with av.open(str(tmp_path / f"out{ending}")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
