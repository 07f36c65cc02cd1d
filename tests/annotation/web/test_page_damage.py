"""Frames of a damaged stretch are shown with a sign, on the picture, on the timeline and for screen readers."""

import time

import pytest

from mixformer.annotation.web.damage_notes import DamageNotes
from mixformer.annotation.web.previews import Previews
from mixformer.video import open_frames, open_video
from tests.annotation.web.conftest import write_bars
from tests.helpers.clips import damage_frames
from tests.helpers.person import Person, expect
from tests.helpers.web import page_server, wait_until

BROKEN = [20, *range(70, 75)]  # up to the next key frame, number 60 or the end, the others are made from these
HURT = {*range(20, 60), *range(70, 120)}
# Whether the ruler has the color of damage around a frame of 120.
STRIPED = """(frame) => {
  const line = document.getElementById('line');
  const pen = line.getContext('2d');
  const x = Math.round(((frame + 0.5) / 120) * line.width);
  const { data } = pen.getImageData(x - 4, 0, 8, Math.round(18 * devicePixelRatio));
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && data[at] > data[at + 1] + 80) return true;
  return false;
}"""


@pytest.fixture
def damaged(tmp_path):
    return damage_frames(write_bars(tmp_path / "damaged.mp4", 120, gop=60), BROKEN)


def test_a_reader_tells_which_frames_are_made_from_damaged_ones(damaged):
    with open_video(damaged) as video:
        told = {frame.index: frame.damaged for frame in video}
        assert video.skipped == BROKEN
    assert {*told, *BROKEN} == {*range(120)}
    assert {number for number, hurt in told.items() if hurt} == HURT - {*BROKEN}


@pytest.mark.parametrize("indexed", [False, True])
def test_it_is_told_after_any_seek(damaged, indexed):
    with open_frames(damaged, 0) as frames:
        if indexed:
            frames.make_index()
        for number in (119, 19, 59, 61, 21, 60, 80, 0, 75):
            assert frames[number].damaged == (number in HURT), number


def test_a_search_in_the_background_finds_all(damaged, tmp_path, monkeypatch):
    monkeypatch.setenv("MIXFORMER_CACHE", str(tmp_path / "cache"))
    notes = DamageNotes()
    previews = Previews(notes.note)
    with open_frames(damaged) as frames:
        previews.plan(damaged, frames.index, frames.make_index())
    previews.look(damaged, 0, "me")
    wait_until(lambda: notes.stretches(damaged) == [[20, 60], [70, 120]])
    previews.close()


def test_a_damaged_long_video_has_small_pictures_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXFORMER_CACHE", str(tmp_path / "cache"))
    clip = damage_frames(write_bars(tmp_path / "long.mp4", 320, gop=160), [200])
    notes = DamageNotes()
    previews = Previews(notes.note)
    with open_frames(clip) as frames:
        previews.plan(clip, frames.make_index() and frames.index, 320)
    previews.look(clip, 0, "me")
    wait_until(lambda: notes.stretches(clip) == [[200, 320]] and previews.image(clip, 199) is not None)
    assert previews.image(clip, 201) is None  # the page then asks for the frame itself
    previews.close()


def test_the_page_shows_it(browser, damaged, tmp_path):
    with page_server(damaged, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        sign, line = person.page.locator("#damage"), person.page.locator("#line")
        deadline = time.monotonic() + 60  # the page forbids the `eval` of wait_for_function
        while not person.page.evaluate(STRIPED, 100) and time.monotonic() < deadline:  # which nobody has looked at
            person.page.wait_for_timeout(100)
        assert [person.page.evaluate(STRIPED, frame) for frame in (5, 30, 65, 90)] == [False, True, False, True]
        person.goes_to(30)
        expect(sign).to_have_text("Damaged video: this picture may be wrong")
        expect(line).to_have_attribute("aria-valuetext", "frame 30 of 120, 1.20 seconds, damaged")
        person.goes_to(20)
        expect(person.page.locator("#waiting")).to_have_text("This frame cannot be read")
        expect(sign).to_have_text("")
        person.goes_to(10)
        person.sees(10)
        expect(sign).to_have_text("")
        expect(line).to_have_attribute("aria-valuetext", "frame 10 of 120, 0.40 seconds")
        assert sign.get_attribute("role") == "status"
        person.leaves()
