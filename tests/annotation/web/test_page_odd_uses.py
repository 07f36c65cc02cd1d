"""Odd things that people do with the page: nothing is drawn over the wrong frame, and nobody is left without a word."""

import re
import signal

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import free_port, page_server

SIZE = 160, 96


def test_the_picture_stays_while_a_box_is_drawn(browser, tmp_path):
    """Keys, wheel and playing do not slip another frame under a box that is being drawn."""
    write_bars(tmp_path / "bars.mp4", 120)
    with page_server(tmp_path / "bars.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        mouse = person.page.mouse
        person.key("l")
        expect(person.page.locator("#picture")).to_have_attribute("data-frame", re.compile(r"[6-9]|\d\d"))
        mouse.move(*person.screen(40, 20, *SIZE))
        mouse.down()
        expect(person.page.locator("#play")).to_have_text("Play")
        frame = int(person.page.locator("#picture").get_attribute("data-frame"))
        mouse.move(*person.screen(60, 40, *SIZE))
        person.key("v")
        person.key("End")
        person.page.keyboard.down("Shift")
        mouse.wheel(0, 100)
        person.page.keyboard.up("Shift")
        mouse.move(*person.screen(90, 60, *SIZE))
        mouse.up()
        person.saved()
        person.sees(frame)
        assert person.shown_number() == frame
        person.key("Home")  # and then frames change again
        person.sees(0)
        person.leaves()
    assert [key.frame for key in project_of(tmp_path, "bars.mp4").target(1).keys] == [frame]


def test_a_video_that_is_taken_away_while_it_is_open(browser, demo, tmp_path):
    write_bars(demo / "bars.mp4", 120)
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.page.get_by_role("link", name="bars.mp4").click()
        person.sees(0)
        person.is_ready()
        (demo / "bars.mp4").rename(tmp_path / "elsewhere.mp4")
        person.key("End")
        expect(person.page.locator("#banner")).to_contain_text("there is no such video")
        expect(person.page).to_have_url(re.compile("/119$"))
        person.page.reload()
        expect(person.page.locator("#banner")).to_contain_text("there is no such video")
        expect(person.page.locator("#videos li")).to_have_count(1)  # so one can go on with another
        person.page.get_by_role("link", name="clip.mp4").click()
        person.sees(0)
        person.leaves()


def test_another_file_takes_the_place_of_a_video_that_is_open(browser, tmp_path):
    """The page went on with the pictures and the number of frames of both files, until it was loaded anew."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_bars(folder / "bars.mp4", 120)
    write_bars(tmp_path / "new.mp4", 60)
    with page_server(folder, tmp_path / "cache") as (_, address):
        first, second = (Person(browser, address) for _ in range(2))
        for person in (first, second):
            person.begins()
        first.drag((40, 20), (90, 60), SIZE)
        first.saved()
        (tmp_path / "new.mp4").replace(folder / "bars.mp4")
        first.key("End")
        for person in (first, second):
            expect(person.page.locator("#banner")).to_contain_text("The file has changed")
            expect(person.page.locator("#targets li")).to_have_count(1)
        first.goes_to(30)
        first.sees(30)
        first.leaves()
        second.leaves()


def test_a_video_that_cannot_be_opened_says_so_every_time(browser, demo, tmp_path):
    (demo / "text.mp4").write_text("no video")
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        for _ in range(2):
            person.page.get_by_role("link", name="text.mp4").click()
            expect(person.page.locator("#banner")).to_contain_text("text.mp4 is not a video")
            person.page.get_by_role("link", name="clip.mp4").click()
            person.sees(0)
            person.page.go_back()
            expect(person.page.locator("#banner")).to_be_hidden()
        person.leaves()


def test_back_while_the_server_is_away(browser, demo, tmp_path):
    port = free_port()
    write_bars(demo / "bars.mp4", 120)
    with page_server(demo, tmp_path / "cache", port) as (process, address):
        person = Person(browser, address)
        person.page.get_by_role("link", name="clip.mp4").click()
        person.sees(0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        person.page.go_back()
        expect(person.page.locator("#banner")).to_contain_text("does not answer")
    with page_server(demo, tmp_path / "cache", port):
        expect(person.page.locator("#videos li")).to_have_count(2)
        expect(person.page.locator("#banner")).to_be_hidden()
        person.leaves()


def test_names_are_text_and_in_the_order_of_people(browser, tmp_path):
    names = [
        "b 2.mp4",
        "b 10.mp4",
        "c.mp4",
        'it\'s "q" & <img src=x onerror=alert(1)> #1 100%25.mp4',
        "ümläut 人 🧒.mp4",
    ]
    clip = write_bars(tmp_path / "one.mp4", 1)
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(clip.read_bytes())
    with page_server(folder, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        expect(person.page.locator("#videos a")).to_have_text(names)
        for name in names[3:]:
            person.page.get_by_role("link", name=name).click()
            expect(person.page.locator("#title")).to_have_text(name)
            person.sees(0)
            person.is_ready()
            person.drag((40, 20), (90, 60), SIZE)  # the only frame of the video
            person.saved()
            person.page.go_back()
        expect(person.page.locator("#videos .begun")).to_have_count(2)
        assert person.page.locator("img").count() == 0
        person.leaves()
    assert all(len(project_of(folder, name).targets) == 1 for name in names[3:])
