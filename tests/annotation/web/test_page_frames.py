"""Frames in the page: exact by every way, in long videos, and for several people at once."""

import re

import pytest

from mixformer.annotation.web import frame_store
from tests.annotation.web.conftest import write_bars
from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import page_server, wait_until

# Whether the row of a target is light.
GROUND = "document.getElementById('line').getContext('2d').getImageData(300, 40, 1, 1).data[0] > 128"


def test_frames_are_exact_by_every_way(browser, bars, tmp_path):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        assert person.shown_number() == 0
        for key, frame in (("f", 1), ("ArrowRight", 2), ("v", 12), ("Shift+ArrowRight", 22), ("d", 21), ("c", 11)):
            person.key(key)
            person.sees(frame)
            assert person.shown_number() == frame
        for key, frame in (("End", 119), ("ArrowRight", 119), ("Home", 0), ("ArrowLeft", 0)):
            person.key(key)
            person.sees(frame)
            assert person.shown_number() == frame
        line = person.page.locator("#line").bounding_box()
        person.page.mouse.click(line["x"] + line["width"] * 75.5 / 120, line["y"] + 10)
        person.sees(75)
        person.page.mouse.wheel(0, -100)
        person.sees(74)
        assert person.shown_number() == 74
        stage = person.page.locator("#stage").bounding_box()
        person.page.mouse.move(stage["x"] + 200, stage["y"] + 200)
        person.page.mouse.wheel(0, -300)
        expect(person.page.locator("#picture")).to_have_attribute("data-frame", "74")
        person.key("f")
        person.sees(75)  # the zoom stays
        person.key("0")
        assert person.shown_number() == 75
        person.key("l")
        expect(person.page.locator("#play")).to_have_text("Pause")
        person.key("k")
        expect(person.page.locator("#play")).to_have_text("Play")
        person.leaves()


def test_while_a_frame_is_on_its_way_its_key_frame_is_shown(browser, bars, tmp_path):
    """A glance at an earlier frame that is late does not take its place."""
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        glances = []

        def answer(each):
            if "near=" in each.request.url and "/frames/97?" in each.request.url:
                each.continue_()
            elif "near=" in each.request.url:
                glances.append(each)

        person.page.route(re.compile("/frames/(70|97)\\?"), answer)
        person.goes_to(70)
        wait_until(lambda: person.page.wait_for_timeout(20) or glances)
        person.goes_to(97)
        glances[0].continue_()
        person.sees(60)
        assert person.shown_number() == 60
        expect(person.page.locator("#waiting")).to_have_text("… frame 60")
        person.page.unroute_all()  # what was held goes on
        person.sees(97)
        assert person.shown_number() == 97
        person.leaves()


@pytest.mark.parametrize(("size", "scheme"), [((1280, 720), "light"), ((1280, 720), "dark"), ((760, 1000), "light")])
def test_everything_is_on_the_screen(browser, bars, tmp_path, size, scheme):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address, size)
        person.page.emulate_media(color_scheme=scheme)
        person.sees(0)
        person.is_ready()
        wide = person.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
        person.key("Enter")
        person.key("Enter")
        person.saved()
        for other in ("dark", "light"):  # the system's choice may change meanwhile
            person.page.emulate_media(color_scheme=other)
            wait_until(lambda other=other: person.page.evaluate(GROUND) == (other == "light"))
        for action in ("forward", "both", "export", "help", "play", "doubt"):
            expect(person.page.locator(f'[data-action="{action}"]')).to_be_visible()
        person.leaves()


@pytest.mark.sweep
def test_a_long_video(browser, tmp_path):
    """30,000 frames: opened at once, sought exactly anywhere."""
    write_bars(tmp_path / "long.mp4", 30_000, gop=250)
    with page_server(tmp_path / "long.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        for frame in (29_999, 15_123, 15_122, 40, 22_222):
            person.page.locator("#number").fill(str(frame))
            person.page.locator("#number").press("Enter")
            person.sees(frame)
            assert person.shown_number() == frame
        person.drag((40, 20), (90, 60), (160, 96))
        person.saved()
        person.leaves()
    assert project_of(tmp_path, "long.mp4").target(1).keys[0].frame == 22_222


def test_frames_of_eight_people_are_bounded(bars):
    """Each gets the frames asked for, and decoders stay few."""
    store = frame_store.FrameStore(lanes=4, frame_bytes=2**20, jpeg_bytes=2**18)
    for step in range(40):
        for viewer in range(8):
            number = (viewer * 15 + step) % 120
            assert store.jpeg(bars, number, None, f"viewer {viewer}")[:2] == b"\xff\xd8"
    assert len(store._lanes) <= 4
    assert store._jpegs.held <= 2**18
    assert sum(lane.reader._cache.held for lane in store._lanes.values()) <= 2**20
    store.close()


def test_the_timeline_shows_fewer_frames_larger(browser, bars, tmp_path):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.key("End")
        person.sees(119)
        person.key("z")
        person.key("z")
        line = person.page.locator("#line").bounding_box()
        person.page.mouse.click(line["x"] + 2, line["y"] + 8)
        person.sees(90)  # 30 of 120 frames are shown, and the last one is among them
        person.key("Home")
        person.sees(0)  # the part that is shown follows
        person.page.mouse.click(line["x"] + line["width"] - 2, line["y"] + 8)
        person.sees(29)
        person.page.keyboard.down("Control")
        person.page.mouse.wheel(0, 100)
        person.page.keyboard.up("Control")
        person.key("g")
        person.page.mouse.click(line["x"] + line["width"] / 2, line["y"] + 8)
        person.sees(60)
        person.leaves()
