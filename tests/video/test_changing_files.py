"""Files whose content is not what their header says: cut by an editor, or still being written."""

import av
import pytest
from PIL import Image

from mixformer.cli import main
from mixformer.errors import SourceError
from mixformer.video import open_frames, open_video, seeking, table_cache
from mixformer.video.frame_table import read_table
from tests.helpers.clips import moving_square
from tests.video.test_joined_clocks import write_part
from tests.video.test_seeking import number_in


def begin_earlier(source, target, seconds):
    """Copy a clip to an MP4 file that begins before the time 0, as cutting without encoding makes them."""
    with av.open(str(source)) as given, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.pts, packet.dts = (t - round(seconds / packet.time_base) for t in (packet.pts, packet.dts))
                packet.stream = stream
                made.mux(packet)
    return target


@pytest.mark.parametrize(("seconds", "first"), [(1.0, 25), (0.52, 13), (0.04, 1)])
def test_a_clip_whose_beginning_is_cut_away_is_whole(tmp_path, caplog, seconds, first):
    """It was called cut short, since its header counts the frames that no player shows."""
    write_part(tmp_path / "all.mp4", range(60), sound=False)
    path = begin_earlier(tmp_path / "all.mp4", tmp_path / "cut.mp4", seconds)
    with open_video(path) as video:
        numbers = [number_in(frame.image) for frame in video]
        assert (numbers, video.cut_short, video.frame_count) == (list(range(first, 60)), "", 60 - first)
    assert "cut short" not in caplog.text


def test_a_file_that_grows_while_it_is_read_is_not_called_whole(tmp_path, tiny_model, capsys):
    """A recording in progress gave the frames until now, exit code 0 and no word."""
    write_part(tmp_path / "all.ts", range(60), sound=False)
    data = (tmp_path / "all.ts").read_bytes()
    path = tmp_path / "now.ts"
    path.write_bytes(data[: 188 * (len(data) // 376)])
    with open_video(path) as video:
        frames = iter(video)
        next(frames)
        with path.open("ab") as file:
            file.write(data[path.stat().st_size :])
        rest = len(list(frames))
    assert 0 < rest < 60
    assert "it changed while it was read" in video.cut_short
    words = ["track", str(path), "--box", "16", "8", "16", "32", "--model", str(tiny_model), "--stop", "5"]
    assert main([*words, "--json", str(tmp_path / "r.jsonl")]) == 0, capsys.readouterr().err


def test_a_file_that_is_taken_away_for_a_while_is_read_again(tmp_path):
    """A reader that could not open its file anew went on reading from the closed one, which ended the process."""
    write_part(tmp_path / "all.mp4", range(60), sound=False)
    with open_frames(tmp_path / "all.mp4", 0) as frames:
        frames.make_index()
        assert number_in(frames[10].image) == 10
        (tmp_path / "all.mp4").rename(tmp_path / "gone.mp4")
        for number in (3, 11, 12):
            with pytest.raises(SourceError, match="there is no file"):
                frames[number]
        with pytest.raises(SourceError, match="there is no file"):
            frames.key_picture(0)
        (tmp_path / "gone.mp4").rename(tmp_path / "all.mp4")
        assert [number_in(frames[number].image) for number in (11, 12, 5)] == [11, 12, 5]


def write_still_end(path, seconds):
    """Thirty pictures in three seconds, the last of which is shown for so long."""
    frames = moving_square(30)[0]
    if path.suffix == ".gif":
        first, *rest = [Image.fromarray(frame) for frame in frames]
        first.save(path, save_all=True, append_images=rest, duration=[100] * 29 + [round(1000 * seconds)])
        return path
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        pictures = [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]
        for packet in (packet for picture in [*pictures, None] for packet in stream.encode(picture)):
            if packet.pts * packet.time_base > 2.85:
                packet.duration = round(seconds / packet.time_base)
            made.mux(packet)
    return path


@pytest.mark.parametrize("ending", ["gif", "mkv", "mp4"])
def test_a_last_picture_that_stays_long_is_no_missing_end(tmp_path, caplog, ending):
    """A GIF that holds its last picture for some seconds was called cut short, with exit code 3."""
    with open_video(write_still_end(tmp_path / f"still.{ending}", 5.0)) as video:
        assert (len(list(video)), video.cut_short) == (30, "")
    assert "cut short" not in caplog.text


def test_the_index_of_a_file_that_grows_is_not_taken_for_that_of_the_whole(tmp_path, monkeypatch):
    """If the file was written to its end while its index was read, its later frames were missing from then on."""
    monkeypatch.setenv("MIXFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(table_cache, "WORTH_KEEPING", 10)
    write_part(tmp_path / "all.mkv", range(90), sound=False)
    data, path = (tmp_path / "all.mkv").read_bytes(), tmp_path / "now.mkv"
    path.write_bytes(data[: len(data) // 2])

    def read_slowly(*source):
        table = read_table(*source)
        path.write_bytes(data)
        return table

    monkeypatch.setattr(seeking, "read_table", read_slowly)
    with open_frames(path) as frames:
        assert 0 < frames.make_index() < 60
    with open_frames(path) as frames:
        assert frames.make_index() == 90
