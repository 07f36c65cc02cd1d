"""A frame that does not come, a drag that is given up, fingers, and a message that lasts."""

import signal

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import SIZE, SLOW_EDITS, Person, expect, project_of
from tests.helpers.web import free_port, page_server


def test_a_box_belongs_to_the_picture_that_is_seen(browser, tmp_path):
    write_bars(tmp_path / "bars.mp4", 120)
    with page_server(tmp_path / "bars.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        # Frame 90 is on its way, and does not come.
        person.page.route("**/frames/90?*", lambda route: None)
        person.goes_to(90)
        expect(person.page.locator("#waiting")).to_be_visible()
        person.drag((40, 20), (80, 60), SIZE)
        person.saved()
        person.sees(0)
        person.leaves()
    assert [key.frame for key in project_of(tmp_path, "bars.mp4").target(1).keys] == [0]


def test_escape_ends_a_drag(browser, bars, tmp_path):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        mouse = person.page.mouse
        mouse.move(*person.screen(40, 20, *SIZE))
        mouse.down()
        mouse.move(*person.screen(60, 40, *SIZE))
        person.key("Escape")
        mouse.move(*person.screen(80, 60, *SIZE))
        mouse.up()
        expect(person.page.locator("#boxes rect")).to_have_count(0)
        person.drag((2, 2), (30, 30), SIZE)
        person.saved()
        expect(person.page.locator("#targets li")).to_have_count(1)
        person.key("Control+z")
        person.leaves()


def test_a_lasting_message_comes_back(browser, bars, tmp_path):
    port = free_port()
    with page_server(bars, tmp_path / "cache", port) as (process, address):
        person = Person(browser, address)
        person.begins()
        process.send_signal(signal.SIGKILL)
        process.wait()
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
        person.drag((40, 20), (80, 60), SIZE)
        expect(person.page.locator("#banner")).to_contain_text("your last step is not saved")
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back", timeout=15_000)
    with page_server(bars, tmp_path / "cache", port):
        expect(person.page.locator("#banner")).to_be_hidden(timeout=30_000)
        expect(person.page.locator("#saved")).to_be_empty()
        person.leaves()


def test_a_connection_that_is_lost_at_once_says_that_the_page_goes_on(browser, bars, tmp_path):
    """The answer that did not come to the first questions said less, and stayed."""
    port = free_port()
    with page_server(bars, tmp_path / "cache", port) as (process, address):
        person = Person(browser, address)
        held = []
        person.page.route("**/tracking", lambda route: held.append(route))
        person.begins()
        while not held:
            person.page.wait_for_timeout(20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
        held[0].abort()
        person.page.wait_for_timeout(300)  # for the page to take it
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
        person.leaves()


def test_edits_that_wait_are_made_after_the_video_is_left(browser, tmp_path):
    write_bars(tmp_path / "bars.mp4", 60)
    write_bars(tmp_path / "other.mp4", 60)
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.page.get_by_role("link", name="bars.mp4").click()
        person.begins()
        person.drag((40, 20), (80, 60), SIZE)
        person.saved()
        person.page.evaluate(SLOW_EDITS)
        for frame in (1, 2, 3):  # absent in the next frames, while the edit before is on its way
            person.key("ArrowRight")
            person.sees(frame)
            person.key("o")
        person.page.go_back()
        expect(person.page.locator("#videos li").first).to_contain_text("1 target, 4 key boxes")
        person.leaves()
    assert [key.frame for key in project_of(tmp_path, "bars.mp4").target(1).keys] == [0, 1, 2, 3]


def test_an_answer_for_a_video_that_is_left_moves_nothing(browser, tmp_path):
    """The next video jumped to a frame of the one before, and the list came back without being asked for."""
    for name in ("bars.mp4", "other.mp4"):
        write_bars(tmp_path / name, 60)
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        title, held = person.page.locator("#title"), []
        person.page.get_by_role("link", name="other.mp4").click()
        person.begins()
        other = person.page.url
        for where, key, answer in (("**/doubtful*", "x", {"id": 1, "frame": 7}), ("**/done", "Control+Enter", {})):
            person.key("Control+Home")
            person.page.get_by_role("link", name="bars.mp4").click()
            person.begins()
            person.page.route(where, lambda route: held.append(route))
            person.key(key)
            while not held:
                person.page.wait_for_timeout(20)
            person.page.goto(other)
            expect(title).to_have_text("other.mp4")
            person.begins()
            held.pop().fulfill(json=answer)
            person.page.wait_for_timeout(300)  # for the page to take it
            expect(title).to_have_text("other.mp4")
            person.sees(0)
        person.leaves()


def test_a_finger_draws_and_two_zoom(browser, bars, tmp_path):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        touch = person.page.context.new_cdp_session(person.page)

        def fingers(kind, *places):
            points = [{"x": x, "y": y, "id": id} for id, (x, y) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", person.screen(40, 20, *SIZE))
        for step in (50, 60, 80):
            fingers("touchMove", person.screen(step, step - 20, *SIZE))
        fingers("touchEnd")
        person.saved()
        expect(person.page.locator("#targets li")).to_have_count(1)
        width = "document.querySelector('#boxes .edge').getBoundingClientRect().width"
        before = person.page.evaluate(width)
        fingers("touchStart", person.screen(10, 80, *SIZE), person.screen(20, 80, *SIZE))
        fingers("touchMove", person.screen(5, 80, *SIZE), person.screen(25, 80, *SIZE))
        fingers("touchEnd")
        assert person.page.evaluate(width) > 1.5 * before
        expect(person.page.locator("#targets li")).to_have_count(1)
        person.key("Control+z")
        person.saved()
        person.leaves()
