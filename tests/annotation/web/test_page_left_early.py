"""Answers that come late: for a dialog that is closed, a video that is left, or a box after the next was begun."""

from mixformer.annotation import AnnotationProject, add_target, look_at_video, save_project, set_key
from tests.annotation.web.conftest import write_bars
from tests.helpers.person import SIZE, Person, a_box_in_bars, expect, project_of
from tests.helpers.web import page_server

# Requests whose address has a certain end wait until `go()`.
HOLD = """end => {
    const now = window.fetch;
    window.held = [];
    window.go = () => held.splice(0).forEach((each) => each());
    const later = (...words) => new Promise((done) => held.push(() => done(now(...words))));
    window.fetch = (address, ...more) => (String(address).endsWith(end) ? later : now)(address, ...more);
}"""


def wait_for(person, count):
    person.page.wait_for_function("count => held.length >= count", arg=count)


def test_boxes_that_are_quicker_than_their_answers(browser, tmp_path):
    """The third was compared with the second one, and so not kept, as if somebody else had changed it."""
    with a_box_in_bars(browser, tmp_path, (20, 10), (50, 40)) as person:
        person.key("n")
        person.drag((100, 10), (130, 40), SIZE)
        expect(person.page.locator("#targets li")).to_have_count(2)
        person.saved()
        person.page.evaluate(HOLD, "/edits")
        person.drag((35, 25), (35, 35), SIZE)
        wait_for(person, 1)
        person.drag((35, 35), (35, 45), SIZE)
        person.page.mouse.move(*person.screen(115, 25, *SIZE))
        person.page.mouse.down()
        person.page.mouse.move(*person.screen(115, 45, *SIZE))
        person.page.evaluate("go()")
        wait_for(person, 1)
        person.page.mouse.up()
        person.page.evaluate("go()")
        wait_for(person, 1)
        person.page.evaluate("go()")
        person.saved()
        expect(person.page.locator("#banner")).to_be_hidden()
        person.leaves()
    assert [round(target.keys[0].box.y) for target in project_of(tmp_path, "bars.mp4").targets] == [30, 30]


def test_an_export_that_begins_after_its_dialog_was_closed_is_dropped(browser, tmp_path):
    """Its file came all the same."""
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        asked = []
        person.page.on("request", lambda request: asked.append((request.method, request.url.rsplit("/", 1)[1])))
        person.page.evaluate(HOLD, "/exports")
        person.key("Control+e")
        expect(person.page.locator("#formats input").first).to_be_visible()
        person.page.locator("#export-start").click()
        wait_for(person, 1)
        person.key("Escape")
        expect(person.page.locator("#export")).to_be_hidden()
        with person.page.expect_request(lambda request: request.method == "DELETE"):
            person.page.evaluate("go()")
        expect(person.page.locator("#export-start")).to_be_enabled()
        assert ("GET", "file") not in asked
        person.leaves()


def test_an_import_waits_for_the_steps_before_it(browser, tmp_path):
    """A step on its way was refused then, as if somebody else had changed the video."""
    (tmp_path / "other.csv").write_text("frame,id,x,y,w,h\n7,5,10,20,30,40\n")
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        asked = []
        person.page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
        person.page.evaluate(HOLD, "/edits")
        person.key("q")
        wait_for(person, 1)
        person.key("Control+i")
        person.page.locator("#import-file").set_input_files(str(tmp_path / "other.csv"))
        person.page.locator("#import-start").click()
        expect(person.page.locator("#import-text")).to_have_text("Reading …")
        person.page.evaluate("go()")
        expect(person.page.locator("#import")).to_be_hidden()
        expect(person.page.locator("#targets .choose")).to_have_text("5")
        expect(person.page.locator("#banner")).to_be_hidden()
        assert [name for name in asked if name in ("edits", "import")] == ["edits", "import"]
        person.leaves()


def test_a_key_in_another_video_is_not_for_a_new_target_of_the_first(browser, tmp_path):
    """It was for the target of the new one's number there, which was removed in place of the chosen one."""
    for name, count in (("bars.mp4", 2), ("other.mp4", 3)):
        project = AnnotationProject(look_at_video(write_bars(tmp_path / name, 60)))
        for id in range(1, count + 1):
            project = set_key(add_target(project), id, 0, (30 * id, 10, 20, 20))
        save_project(project, tmp_path / f"{name}.mixformer.json")
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        link = person.page.get_by_role("link", name="other.mp4").get_attribute("href")
        person.page.get_by_role("link", name="bars.mp4").click()
        person.begins()
        person.page.evaluate(HOLD, "/edits")
        person.key("n")
        person.drag((10, 50), (40, 80), SIZE)
        wait_for(person, 1)
        person.page.evaluate("link => void (location.hash = link)", link)
        expect(person.page.locator("#targets li")).to_have_count(3)
        person.page.get_by_role("button", name="Target 2,").click()
        person.key("Shift+Delete")
        person.page.evaluate("go()")
        wait_for(person, 1)
        person.page.evaluate("go()")
        expect(person.page.locator("#targets .choose")).to_have_text(["1", "3"])
        person.leaves()
    assert len(project_of(tmp_path, "bars.mp4").targets) == 3


def test_boxes_that_do_not_come_of_a_video_that_was_left(browser, tmp_path):
    """The other video showed none then, until its target was changed."""
    addresses = {}
    for name in ("bars.mp4", "other.mp4"):
        project = add_target(AnnotationProject(look_at_video(write_bars(tmp_path / name, 60))))
        for frame in (0, 20):
            project = set_key(project, 1, frame, (10 + frame, 10, 20, 20))
        save_project(project, tmp_path / f"{name}.mixformer.json")
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        for name in ("bars.mp4", "other.mp4"):
            addresses[name] = person.page.get_by_role("link", name=name).get_attribute("href")[:-1] + "5"
        held = []
        person.page.route("**/boxes?*", lambda route: route.continue_() if held else held.append(route))
        person.page.evaluate("link => void (location.hash = link)", addresses["bars.mp4"])
        while not held:
            person.page.wait_for_timeout(20)
        person.page.evaluate("link => void (location.hash = link)", addresses["other.mp4"])
        expect(person.page.locator("#title")).to_have_text("other.mp4")
        person.sees(5)
        expect(person.page.locator("#targets li")).to_have_count(1)
        held[0].abort()
        expect(person.page.locator(".box.kind-i")).to_have_count(1)
        person.leaves()


def test_a_video_that_is_left_before_its_connection_is_there(browser, tmp_path):
    """The list said that there is no such video."""
    for name in ("bars.mp4", "other.mp4"):
        write_bars(tmp_path / name, 60)
    with page_server(tmp_path, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        asked = []
        person.page.on("request", lambda request: asked.append(request.url))
        person.page.evaluate(HOLD, "/project")
        person.page.get_by_role("link", name="bars.mp4").click()
        wait_for(person, 3)  # the page opens, the connection is there, and its first news
        person.page.go_back()
        expect(person.page.locator("#videos li")).to_have_count(2)
        with person.page.expect_response("**/project"):
            person.page.evaluate("go()")
        person.page.evaluate("fetch('/static/icon.svg').then((answer) => answer.text())")  # after all answers
        person.page.wait_for_timeout(400)  # and after the question about damage, which is asked 0.3 s after its news
        assert not [url for url in asked if "undefined" in url]
        expect(person.page.locator("#banner")).to_be_hidden()
        person.leaves()
