"""Small pictures that are made ahead: exactly the frame that is asked for, bounded, and never in the way."""

import os
import sys
import threading
import time
from contextlib import suppress

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from mixformer.annotation.web.preview_parts import Part, encode_part, part_of, part_starts, small_frame
from mixformer.annotation.web.previews import Previews, _step_back
from mixformer.imaging.containers import upright
from mixformer.optional import CACHE_VARIABLE
from mixformer.video import open_frames
from mixformer.video.feed import RawFrame
from tests.annotation.web.conftest import write_bars
from tests.helpers.web import bar_frame, bar_number, client_of, only_video

COUNT = 700
LAST = (249, 499, COUNT - 1)  # the last frame of each part


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_bars(tmp_path_factory.mktemp("long") / "long.mp4", COUNT, gop=250)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def made(clip, at=0):
    previews = Previews()
    plan(previews, clip, at)
    return previews


def plan(previews, clip, at):
    with open_frames(clip) as reader:
        count = reader.make_index()
        previews.plan(clip, reader.index, count)
    previews.look(clip, at, "me")


def wait_for(previews, clip, numbers):
    end = time.monotonic() + 240
    while any(previews.image(clip, number) is None for number in numbers):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_preview_shows_its_frame_and_no_other(clip, cache):
    previews = made(clip, 300)
    wait_for(previews, clip, LAST)
    assert [bar_number(previews.image(clip, number)) for number in range(0, COUNT, 3)] == list(range(0, COUNT, 3))
    assert previews.image(clip, COUNT) is None
    assert previews.image(clip, -1) is None
    previews.close()


def test_previews_wait_for_a_seek_and_go_on_after_it_also_if_it_fails(clip, cache, monkeypatch):
    monkeypatch.setattr("mixformer.annotation.web.previews._STAND_BACK", 600)
    previews = Previews()
    with suppress(IndexError), previews.standing_back():
        plan(previews, clip, 300)
        time.sleep(0.5)
        assert [previews.image(clip, number) for number in range(COUNT)] == [None] * COUNT
        raise IndexError
    wait_for(previews, clip, LAST)
    previews.close()


def test_previews_stay_from_start_to_start_and_damage_is_noticed(clip, cache):
    first = made(clip)
    wait_for(first, clip, LAST)
    first.close()
    files = sorted((cache / "previews").glob("*.blob"))
    for file in files:
        file.write_bytes(file.read_bytes()[:-9])
    again = made(clip)
    assert len(files) == 3
    again.close()
    assert again.image(clip, 3) is None  # damaged, and nobody makes it anew any more


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own in Linux")
def test_the_work_steps_back_from_the_priority_of_the_server():
    """A server with a low priority made copies before the frames that people wait for."""
    found = []

    def work():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        for _ in range(3):
            _step_back(5)
            found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [12, 17, 19]


def test_what_is_around_a_viewer_is_made_before_all_else(clip, cache, monkeypatch):
    made_parts = []

    def keep(file, *_):
        made_parts.append(int(file.stem.rsplit("-", 1)[1]))
        if len(made_parts) == 1:
            previews.look(clip, COUNT - 1, "me")

    monkeypatch.setattr("mixformer.annotation.web.previews.keep", keep)
    previews = Previews()
    plan(previews, clip, 0)
    wait_for(previews, clip, LAST)
    previews.close()
    assert made_parts == [0, 500, 250]


def test_a_short_video_of_large_frames_has_previews(bars, cache):
    """Its decoded frames do not fit into the memory for them, so that each seek decoded them anew."""
    for pixels, expected in ((1920 * 1080, True), (160 * 96, False)):
        previews = Previews()
        with open_frames(bars) as reader:
            count = reader.make_index()
            previews.plan(bars, reader.index, count, pixels)
        assert previews._plans[bars].worth is expected
        previews.close()


def test_parts_cover_a_video_whatever_its_key_frames():
    for keys, count in (([0], 1000), (list(range(1000)), 1000), ([0, 250, 500, 750], 1000), ([0, 3, 700], 701)):
        starts = part_starts(keys, count)
        lengths = [stop - start for start, stop in zip(starts, [*starts[1:], count], strict=True)]
        assert starts[0] == 0
        assert all(0 < length <= 256 for length in lengths)
    assert part_starts([0, 250, 500, 750], 1000) == [0, 250, 500, 750]


def part_with(frames):
    part = Part()
    encode_part(((number, av.VideoFrame.from_ndarray(picture)) for number, picture in frames), part)
    return part


def test_a_part_comes_back_from_its_bytes_without_frames_that_cannot_be_read():
    numbers = [5, 6, 9, *range(12, 40)]
    part = part_of(part_with((number, bar_frame(number)) for number in numbers).content())
    assert [bar_number(part.image(number)) for number in numbers] == numbers
    assert part.image(7) is None
    assert part.image(4) is None
    assert part.image(40) is None
    assert part_of(part_with([(0, bar_frame(0)[:94, :158])]).content()).image(0).shape == (94, 158, 3)


def test_a_part_shows_its_first_frames_while_it_is_made():
    part, seen = Part(), []

    def frames():
        for number in range(40):
            yield number, av.VideoFrame.from_ndarray(bar_frame(number))
            seen.append([None if (image := part.image(each)) is None else bar_number(image) for each in range(40)])

    encode_part(frames(), part)
    assert seen[29][:29] == [*range(29)]  # the encoder may still hold the last one
    assert seen[29][30:] == [None] * 10
    assert seen[0][1:] == [None] * 39


@pytest.mark.parametrize("space", [Colorspace.ITU601, Colorspace.ITU709])
@pytest.mark.parametrize("span", [ColorRange.UNSPECIFIED, ColorRange.MPEG, ColorRange.JPEG])
def test_a_picture_has_the_colors_of_its_frame(space, span):
    planes = np.concatenate(
        [np.full((64, 64), 120, np.uint8), np.full((16, 64), 60, np.uint8), np.full((16, 64), 200, np.uint8)]
    )
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace, frame.color_range = space, span
    raw = RawFrame(0, None, lambda: upright(frame), coded=frame)
    part = Part()
    encode_part([(0, small_frame(raw, 32))], part)
    assert part.image(0).shape == (32, 32, 3)
    assert abs(part.image(0).astype(int) - upright(frame, 32)).max() <= 4


def test_a_quick_request_says_that_it_is_a_preview_and_shows_the_frame(clip, cache, tmp_path):
    with client_of(clip) as client:
        video = only_video(client)
        assert "x-preview" not in client.get(f"{video}/frames/666?quick=true&seek=true").headers
        client.get(f"{video}?wait=true")
        end = time.monotonic() + 240
        while "x-preview" not in (answer := client.get(f"{video}/frames/666?quick=true&seek=true")).headers:
            assert time.monotonic() < end
        (tmp_path / "it.jpg").write_bytes(answer.content)
        with Image.open(tmp_path / "it.jpg") as picture:
            assert bar_number(np.asarray(picture)) == 666
        assert "x-preview" not in client.get(f"{video}/frames/666?seek=true").headers
