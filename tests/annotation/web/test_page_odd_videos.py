"""Videos of odd sizes and names, files that change, and one that opens too late."""

import pytest

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import page_server

SIZE = (160, 96)


def test_going_back_while_a_video_opens(browser, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a.mp4", "b.mp4"):
        write_bars(clips / name, 12)
    with page_server(clips, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        expect(person.page.locator("#videos li")).to_have_count(2)
        held = []
        person.page.route("**/api/videos/*", lambda route: held.append(route))
        with person.page.expect_request("**/api/videos/*"):
            person.page.get_by_role("link", name="b.mp4").click()
        person.page.go_back()
        person.page.wait_for_timeout(300)
        for route in held:
            route.continue_()
        person.page.wait_for_timeout(1000)
        assert person.page.evaluate("document.body.dataset.place") == "library"
        assert person.page.title() == "mixformer"
        person.leaves()


def test_a_file_that_has_changed(browser, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    write_bars(clips / "a.mp4", 120)
    with page_server(clips, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        person.drag((40, 20), (80, 60), SIZE)
        person.saved()
        (clips / "a.mp4").rename(tmp_path / "away.mp4")
        person.goes_to(100)
        expect(person.page.locator("#waiting")).to_have_text("This frame cannot be read")
        person.key("o")
        expect(person.page.locator("#saved")).to_have_text("Not saved")
        write_bars(clips / "a.mp4", 12)
        person.page.goto(f"{address.partition('#')[0]}#/")
        person.page.get_by_role("link", name="a.mp4").click()
        person.begins()
        expect(person.page.locator("#banner")).to_contain_text("The file has changed")
        (tmp_path / "away.mp4").replace(clips / "a.mp4")
        person.page.reload()
        person.begins()
        expect(person.page.locator("#targets li")).to_have_count(1)
        expect(person.page.locator("#banner")).to_be_hidden()
        person.leaves()


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("tiny.mp4", (16, 16), 30),
        ("huge.mp4", (4000, 3000), 3),
        ("tall.mp4", (96, 160), 5),
        ("one.mp4", (160, 96), 1),
        ("<img src=x onerror=alert(1)> 'q' \"d\" &amp; \u4eba %41#.mp4", (160, 96), 3),
    ],
)
def test_odd_videos(browser, tmp_path, name, size, count):
    clips = tmp_path / "clips"
    clips.mkdir()
    write_bars(clips / name, count, size=size)
    with page_server(clips, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        expect(person.page.locator("#title")).to_have_text(name)
        assert person.page.locator("#title *").count() == 0
        person.drag((size[0] / 4, size[1] / 4), (size[0] / 2, size[1] / 2), size)
        person.saved()
        person.key("End")
        person.sees(count - 1)
        person.page.locator("#to-videos").click()
        expect(person.page.get_by_role("link", name=name, exact=True)).to_be_visible()
        person.leaves()
    (key,) = project_of(clips, name).target(1).keys
    assert key.box == pytest.approx((size[0] / 4, size[1] / 4, size[0] / 4, size[1] / 4), abs=max(1, size[0] / 200))
