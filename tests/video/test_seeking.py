"""Exact seeks: every frame's number can be read from its picture, in every container (finding D, `--start`)."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from mixformer.video import open_frames, open_video, random_access, seeking, table_cache

COUNT = 300
KINDS = {
    "mp4 with B-frames": ("mp4", "libx264", {"bf": "3", "g": "60"}, False),
    "mp4 with open groups": ("mp4", "libx264", {"bf": "3", "g": "60", "x264-params": "open-gop=1"}, False),
    "mov": ("mov", "libx264", {"bf": "2", "g": "100"}, False),
    "mkv": ("mkv", "libx264", {"bf": "3", "g": "60"}, False),
    "mkv with open groups": ("mkv", "libx264", {"bf": "3", "g": "60", "x264-params": "open-gop=1"}, False),
    "ts": ("ts", "libx264", {"bf": "3", "g": "60"}, False),
    "ts of mpeg2": ("ts", "mpeg2video", {"bf": "2", "g": "30"}, False),
    "mpg": ("mpg", "mpeg1video", {"g": "12"}, False),  # several frames in a packet of the container, with one time
    "avi": ("avi", "libx264", {"bf": "0", "g": "60"}, False),
    "avi with B-frames": ("avi", "libx264", {"bf": "2", "g": "60"}, False),
    "avi of mpeg4": ("avi", "mpeg4", {"g": "50"}, False),
    "webm": ("webm", "libvpx", {"g": "60", "auto-alt-ref": "1", "lag-in-frames": "16"}, False),
    "webm of vp9": ("webm", "libvpx-vp9", {"g": "60", "deadline": "realtime", "cpu-used": "8"}, False),
    "mp4 of variable rate": ("mp4", "libx264", {"bf": "3", "g": "60"}, True),
    "mkv of variable rate": ("mkv", "libx264", {"bf": "3", "g": "60"}, True),
}


def numbered(index):
    """A frame with its number in nine white or black squares."""
    frame = np.full((48, 144, 3), 90, np.uint8)
    for bit in range(9):
        frame[8:40, 16 * bit : 16 * bit + 16] = 230 if index >> bit & 1 else 20
    return frame


def number_in(image):
    return sum((image[24, 16 * bit + 8].mean() > 125) << bit for bit in range(9))


@pytest.fixture(scope="module", params=KINDS)
def counted(request, tmp_path_factory):
    ending, codec, options, variable = KINDS[request.param]
    path = tmp_path_factory.mktemp("seek") / f"clip.{ending}"
    steps = np.random.default_rng(3).integers(1, 9, COUNT) if variable else np.full(COUNT, 4)
    times = np.cumsum(steps) - steps[0]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 144, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100) if variable else Fraction(1, 25)
        for index in range(COUNT):
            frame = av.VideoFrame.from_ndarray(numbered(index))
            frame.pts = int(times[index]) if variable else index
            frame.time_base = stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open_video(path) as video:
        frames = [(frame.index, number_in(frame.image), frame.time) for frame in video]
    assert [index for index, _, _ in frames] == list(range(len(frames)))
    return path, frames


def test_a_seek_is_exact(counted):
    path, frames = counted
    for start in (50, 59, 60, 61, 119, 120, 177, 238, 239, 240, 298, len(frames) - 1):
        with open_video(path, start, start + 5) as video:
            found = [(frame.index, number_in(frame.image), frame.time) for frame in video]
        expected = frames[start : start + 5]
        assert [each[:2] for each in found] == [each[:2] for each in expected], start
        assert [each[2] for each in found] == pytest.approx([each[2] for each in expected], abs=2e-3), start


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_seek_does_not_decode_what_lies_before(tmp_path, ending, monkeypatch):
    """D: `--start N` costs the frames since the last key frame."""
    path = tmp_path / f"long.{ending}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "2", "g": "50", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 144, 48, "yuv420p"
        for index in range(500):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index))))
        out.mux(stream.encode(None))
    decoded = []
    original = seeking._decoded
    monkeypatch.setattr(seeking, "_decoded", lambda *args: (decoded.append(x) or x for x in original(*args)))
    with open_video(path, 480, 481) as video:
        assert [number_in(frame.image) for frame in video] == [480]
    assert 0 < len(decoded) < 110
    decoded.clear()
    with open_frames(path) as reader:
        reader.make_index()
        assert number_in(reader[248].image) == 248
        # Of 48 frames since the key frame, those that no other is made from are passed over.
        assert 16 <= sum(map(len, decoded)) <= 30
        decoded.clear()
        assert [number_in(reader[number].image) for number in range(248, 239, -1)] == [*range(248, 239, -1)]
        assert not decoded  # steps backward are at hand


def test_frames_in_any_order(counted):
    """Random access: the same frames as in order, a few of them remembered."""
    path, frames = counted
    with open_frames(path, cache_bytes=10 * 144 * 48 * 3) as reader:
        for number in (0, 120, 61, 62, 60, 250, 249, len(frames) - 1, 5):
            assert (reader[number].index, number_in(reader[number].image)) == frames[number][:2]
            sizes = [raw.size for raw in reader._cache.values.values()]
            assert reader._cache.held == sum(sizes) <= 10 * 144 * 48 * 3  # frames that are decoded twice count once
        for number in (len(frames), -1, 10**9):
            with pytest.raises(IndexError, match="frame"):
                reader[number]
        assert reader[7].index == 7


def test_key_frames_alone_and_other_frames_in_turns(counted):
    path, frames = counted
    with open_frames(path) as reader:
        reader.make_index()
        keys = [reader.index.number_at(time) for time in reader.index.keys] if reader.index else [0]
        for key in [each for each in keys[::-1] if each is not None]:
            for number in (key, min(key + 7, len(frames) - 1)):
                assert number_in(reader[number].image) == frames[number][1]
                assert number_in(reader.key_picture(key)) == frames[key][1]


def test_pictures_in_any_order(tmp_path):
    for number in range(5):
        Image.new("RGB", (8, 6), (10 * number, 0, 0)).save(tmp_path / f"{number}.png")
    with open_frames(tmp_path) as reader:
        assert [reader[number].image[0, 0, 0] for number in (4, 0, 2)] == [40, 0, 20]
        with pytest.raises(IndexError):
            reader[5]


def test_a_long_file_is_read_through_once(tmp_path, monkeypatch, caplog):
    """D: the table of frames of a file without an index is kept, and made again when the file is another one."""
    monkeypatch.setenv("MIXFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(seeking, "WORTH_KEEPING", 100)
    monkeypatch.setattr(table_cache, "WORTH_KEEPING", 100)
    read, original = [], vars(seeking)["read_table"]
    monkeypatch.setattr(seeking, "read_table", lambda *args: read.append(args[2]) or original(*args))

    def numbers(start):
        with open_video(path, start, start + 2) as video:
            return [number_in(frame.image) for frame in video]

    for count, path in ((300, tmp_path / "long.mkv"), (400, tmp_path / "long.mkv")):
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"bf": "2", "g": "50", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 144, 48, "yuv420p"
            for index in range(count):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index))))
            out.mux(stream.encode(None))
        for start in (260, 262, 120, 298):
            assert numbers(start) == [start, start + 1]
        assert len(read) <= 2, "the table is used again"
        assert "the next start is quicker" in caplog.text
        (kept,) = (tmp_path / "cache" / "frames").glob("*.blob")
        data = bytearray(kept.read_bytes())
        data[100] ^= 1
        kept.write_bytes(data)
        assert numbers(270) == [270, 271], "a damaged table is made again"
        assert len(read) in (2, 3)
        kept.unlink()
        read.clear()
    monkeypatch.setenv("MIXFORMER_CACHE", "off")
    assert numbers(298) == [298, 299]
    assert not list((tmp_path / "cache" / "frames").glob("*.blob"))


def test_a_seek_in_avi_with_b_frames_is_exact_at_every_frame(tmp_path):
    """AVI keeps the order of decoding alone: a seek to the second frame after a key frame gave the one before."""
    with av.open(str(tmp_path / "clip.avi"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "2", "g": "30"})
        stream.width, stream.height, stream.pix_fmt = 144, 48, "yuv420p"
        for index in range(150):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index))))
        out.mux(stream.encode(None))
    for start in range(50, 150, 3):
        with open_video(tmp_path / "clip.avi", start, start + 2) as video:
            assert [(frame.index, number_in(frame.image)) for frame in video] == [
                (start, start),
                (start + 1, start + 1),
            ][: 150 - start]


def test_seeks_of_one_reader_open_the_file_once(counted, monkeypatch):
    """An MP4 file of an hour takes 50 ms to open, so a seek goes on in the open one, and is as exact."""
    path, frames = counted
    with open_frames(path, 0) as reader:
        reader.make_index()
        assert reader[120].index == 120
        if path.suffix in (".mp4", ".mov", ".mkv", ".webm"):
            monkeypatch.setattr(random_access, "from_disk", lambda *_: pytest.fail("the file is opened again"))
        for number in (290, 60, 177, 176, 239, 61, 298, 119, 140, 141, 160, 179, 190, 235, 236):
            assert (reader[number].index, number_in(reader[number].image)) == frames[number][:2]


def test_a_jump_ahead_or_back_costs_no_more_than_a_seek(tmp_path, monkeypatch):
    """A jump ahead went on frame by frame, and a small one back decoded all since the key frame: twice as many."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "3", "g": "250", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 144, 48, "yuv420p"
        for index in range(250):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index))))
        out.mux(stream.encode(None))
    decoded, original = [], seeking._decoded
    monkeypatch.setattr(seeking, "_decoded", lambda *args: (decoded.extend(x) or x for x in original(*args)))
    with open_frames(tmp_path / "clip.mp4") as reader:
        reader.make_index()
        for number, most in ((60, 40), (230, 100), (180, 75)):
            decoded.clear()
            assert number_in(reader[number].image) == number
            assert 0 < len(decoded) <= most
        decoded.clear()
        assert reader.read(90, lambda: False) is None  # a viewer who has gone on does not wait for the end of a seek
        assert len(decoded) <= 8
        assert number_in(reader[91].image) == 91
