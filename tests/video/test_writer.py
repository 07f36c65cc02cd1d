"""Videos, picture folders and text results; what is left when writing fails."""

import json
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from mixformer.errors import OutputError
from mixformer.types import Box, TrackResult
from mixformer.video import open_results, open_video, open_writer
from tests.helpers.clips import moving_square


def frames_of(path):
    with open_video(path) as video:
        return list(video)


@pytest.mark.parametrize(("height", "width"), [(90, 120), (91, 121), (2, 2)])
def test_a_video_reads_back(tmp_path, height, width):
    path = tmp_path / "out.mp4"
    pictures = [np.full((height, width, 3), 10 * i, np.uint8) for i in range(10)]
    with open_writer(path, fps=30) as writer:
        for picture in pictures:
            writer.write(picture)
    frames = frames_of(path)
    assert len(frames) == 10
    assert frames[0].image.shape == (height // 2 * 2, width // 2 * 2, 3)
    assert [round(f.time * 30) for f in frames] == list(range(10))
    assert [abs(int(f.image.mean()) - 10 * i) < 6 for i, f in enumerate(frames)] == [True] * 10


def test_times_of_the_source_are_kept(tmp_path):
    path = tmp_path / "out.mp4"
    times = [2.0, 2.1, 2.5, 2.52, 3.0]
    with open_writer(path, fps=25) as writer:
        for time in times:
            writer.write(np.zeros((64, 64, 3), np.uint8), time)
    assert [f.time for f in frames_of(path)] == pytest.approx([t - 2 for t in times], abs=1e-3)


def test_sound_is_copied(clip, tmp_path):
    path = tmp_path / "out.mp4"
    with open_video(clip, start=5) as video, open_writer(path, video.fps, sound_from=clip) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    with av.open(str(path)) as container:
        (audio,) = container.streams.audio
        assert audio.codec_context.name == "aac"
        times = [float(p.pts * p.time_base) for p in container.demux(audio) if p.pts is not None]
    assert 0 <= times[0] < 0.1
    assert 0.3 < times[-1] <= 0.62


def write_with_sound(path, codec, rate):
    """A second of pictures and a tone of so many samples a second."""
    with av.open(str(path), "w") as made:
        pictures, sound = made.add_stream("mpeg4", rate=25), made.add_stream(codec, rate=rate, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 120, 90, "yuv420p"
        for picture in (*moving_square(25, step=1)[0], None):
            made.mux(pictures.encode(None if picture is None else av.VideoFrame.from_ndarray(picture, format="rgb24")))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.int16), format="s16", layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = rate, 0, Fraction(1, rate)
        made.mux(packet for frame in (tone, None) for packet in sound.encode(frame))
    return path


@pytest.mark.parametrize(("codec", "rate"), [("pcm_s16le", 11024), ("pcm_s16le", 192_000), ("libmp3lame", 8000)])
def test_sound_of_a_rate_that_mp4_does_not_take(tmp_path, codec, rate):
    """The encoder of AAC, or MP4 itself, refused it, and the whole video failed."""
    if codec not in av.codecs_available:
        pytest.skip("this PyAV cannot make such a file")
    source = write_with_sound(tmp_path / "camera.avi", codec, rate)
    with open_video(source) as video, open_writer(tmp_path / "out.mp4", video.fps, source) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    with av.open(str(tmp_path / "out.mp4")) as container:
        samples = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert samples == pytest.approx(1, abs=0.25)


def test_a_silent_or_strange_sound_source_does_not_matter(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with open_writer(tmp_path / "out.mp4", 25, sound_from=tmp_path / "text.mp4") as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    assert len(frames_of(tmp_path / "out.mp4")) == 1


def test_frames_that_change_size_fit_the_first(tmp_path):
    path = tmp_path / "out.mp4"
    with open_writer(path) as writer:
        for shape in ((64, 64), (80, 40), (32, 100)):
            writer.write(np.full((*shape, 3), 200, np.uint8))
    assert [f.image.shape for f in frames_of(path)] == [(64, 64, 3)] * 3


def test_an_exception_leaves_a_valid_file(tmp_path):
    path = tmp_path / "out.mp4"

    def write_and_stop():
        with open_writer(path) as writer:
            for picture in moving_square(8)[0]:
                writer.write(picture)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert len(frames_of(path)) == 8


def test_nothing_written_leaves_no_file(tmp_path):
    with open_writer(tmp_path / "out.mp4"):
        pass
    assert not (tmp_path / "out.mp4").exists()


def test_a_folder_that_comes_while_its_pictures_are_written(tmp_path):
    """With --masks out --out out/clip.mp4, all was done, and then the folder was not empty."""
    black, place = np.zeros((6, 8, 3), np.uint8), tmp_path / "out"
    with open_writer(place) as writer, open_writer(place / "clip.mp4", 25) as inside:
        writer.write(black)
        inside.write(black)
    assert {path.name for path in tmp_path.rglob("*")} == {"out", "00000000.png", "clip.mp4"}
    other = tmp_path / "other"
    writer = open_writer(other)
    writer.write(black)
    other.mkdir()
    (other / "7.png").touch()
    with pytest.raises(OutputError, match="it holds other pictures by now"):
        writer.__exit__(None, None, None)
    assert {path.name for path in other.iterdir()} == {"7.png"}
    assert (tmp_path / "other.partial" / "00000000.png").exists()


def test_pictures(tmp_path):
    with open_writer(tmp_path / "frames") as writer:
        for picture in moving_square(3)[0]:
            writer.write(picture)
    frames = frames_of(tmp_path / "frames")
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[2].image, moving_square(3)[0][2])


@pytest.mark.parametrize("name", ["out.png", "out.unknown", "folder_is_a_file/out.mp4"])
def test_places_that_cannot_be_written(tmp_path, name):
    (tmp_path / "folder_is_a_file").write_text("")
    with pytest.raises(OutputError):
        open_writer(tmp_path / name)


FULL_DISK = """
import resource, signal, sys
import numpy as np
from mixformer.errors import OutputError
from mixformer.video import open_writer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))  # writing on fails, as on a full disk
random = np.random.default_rng(0)
try:
    with open_writer(sys.argv[1], fps=5) as writer:
        for _ in range(200):
            writer.write(random.integers(0, 255, (120, 160, 3), dtype=np.uint8))
except OutputError as error:
    print(error)
"""


def test_a_full_disk_says_so_and_keeps_what_is_there(tmp_path):
    path = tmp_path / "out.mp4"
    run = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert "cannot write" in run.stdout
    assert "kept" in run.stdout
    assert len(frames_of(path)) > 5


RESULTS = [
    TrackResult(Box(1, 2, 3, 4), 1.0, 7, time=0.28),
    TrackResult(Box(1.23456, 2, 3, 4), None, 8),
]


def test_json_lines(tmp_path):
    with open_results(tmp_path / "a" / "boxes.jsonl", "json") as writer:
        for result in RESULTS:
            writer.write(result)
    lines = [json.loads(line) for line in (tmp_path / "a" / "boxes.jsonl").read_text().splitlines()]
    assert lines == [
        {"frame": 7, "time": 0.28, "box": [1, 2, 3, 4], "score": 1.0, "status": "tracking"},
        {"frame": 8, "time": None, "box": [1.235, 2, 3, 4], "score": None, "status": "tracking"},
    ]


def test_csv_and_mot(tmp_path):
    for form in ("csv", "mot"):
        with open_results(tmp_path / form, form) as writer:
            for result in RESULTS:
                writer.write(result)
    assert (tmp_path / "csv").read_text().splitlines() == [
        "frame,time,x,y,w,h,score,status",
        "7,0.28,1.0,2.0,3.0,4.0,1.0,tracking",
        "8,,1.235,2.0,3.0,4.0,,tracking",
    ]
    assert (tmp_path / "mot").read_text().splitlines()[0] == "8,1,2.000,3.000,3.000,4.000,1.00000,-1,1,-1"


def test_text_on_a_full_disk():
    writer = open_results("/dev/full", "json")
    with pytest.raises(OutputError, match="No space left"), writer:
        writer.write(RESULTS[0])


def test_each_line_is_on_the_disk_at_once(tmp_path):
    with open_results(tmp_path / "boxes.jsonl", "json") as writer:
        writer.write(RESULTS[0])
        assert (tmp_path / "boxes.partial.jsonl").read_text().count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["boxes.jsonl"]
