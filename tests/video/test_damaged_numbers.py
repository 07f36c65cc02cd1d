"""Numbers and times of frames of damaged files: those that the frames have in a whole file."""

from pathlib import Path

import av
import pytest

from mixformer.video import open_video
from mixformer.video.live import LiveStream
from mixformer.video.stream import Stream, open_stream_container
from tests.helpers.clips import moving_square, write_clip
from tests.video.test_joined_clocks import write_part
from tests.video.test_seeking import number_in


def wreck(path, numbers):
    """Overwrite some packets wholly, counted as they are sent."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in (packets[number] for number in numbers):
        content[place : place + size] = b"\xff" * size
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize(("start", "wrecked"), [(0, [0]), (0, [10]), (0, [30, 31, 32, 33]), (55, [60])])
def test_frames_after_a_lost_key_frame_keep_their_numbers(tmp_path, start, wrecked, b_frames):
    """A decoder drops what needs a lost key frame: all later numbers were too low, and the file was called cut short.

    If the first frame was lost, the times too began anew with the first one that could be read.
    """
    write_part(tmp_path / "clip.mp4", range(90), sound=False, b_frames=b_frames)
    with open_video(wreck(tmp_path / "clip.mp4", wrecked), start) as video:
        frames = list(video)
    assert 0 < len(video.skipped) <= 14
    assert sorted([*video.skipped, *(frame.index for frame in frames)]) == list(range(start, 90))
    later = [frame for frame in frames if frame.index > wrecked[0] + 14]
    assert later[-1].index == 89
    assert [number_in(frame.image) for frame in later] == [frame.index for frame in later]
    assert [frame.time for frame in later] == pytest.approx([frame.index / 25 for frame in later])
    assert not any(frame.damaged for frame in later)
    assert video.cut_short == ""


def test_a_frame_before_the_first_wanted_one_is_not_called_skipped(tmp_path):
    """It was from frame 1 to 49, and not from 50 on, to which one seeks."""
    write_part(tmp_path / "clip.mp4", range(90), sound=False, b_frames=0)
    path = wreck(tmp_path / "clip.mp4", [10])
    for start in (30, 50):
        with open_video(path, start) as video:
            assert ([frame.index for frame in video], video.skipped) == (list(range(start, 90)), [])


def test_skipped_frames_count_on_after_a_new_connection(tmp_path):
    """They counted from 0 again, and nobody was told which frames are made from them."""
    clip = write_clip(Path(tmp_path / "clip.avi"), moving_square(12)[0], codec="mpeg4")
    whole = clip.read_bytes()
    (tmp_path / "again.avi").write_bytes(whole)
    wreck(tmp_path / "again.avi", [6])

    def opened(name):
        return Stream(name, open_stream_container(str(tmp_path / name)), live=True)

    live = LiveStream("camera", lambda wanted: opened("again.avi"), opened("clip.avi"), reconnects=1)
    frames = list(live.frames(0))
    assert [frame.index for frame in frames if frame.damaged] == [19, 20, 21]
    assert (live.skipped, frames[-1].index) == ([18], 23)
