"""A server that takes its time: steps that a person makes meanwhile are all made, for the target that is meant."""

import signal

from tests.annotation.web.conftest import write_bars
from tests.helpers.person import SIZE, SLOW_EDITS, Person, a_box_in_bars, expect, project_of
from tests.helpers.web import free_port, page_server

LEFT, RIGHT = ((10, 10), (40, 40)), ((90, 20), (120, 60))


def test_steps_before_the_answer_of_the_one_before(browser, tmp_path, tiny_model):
    """Two new targets got the same id, and a key meant the target before or what was there before."""
    write_bars(tmp_path / "bars.mp4", 120)
    with page_server(tmp_path / "bars.mp4", tmp_path / "cache", None, "--model", str(tiny_model)) as (_, address):
        person = Person(browser, address)
        person.begins()
        targets = person.page.locator("#targets li")
        person.page.evaluate(SLOW_EDITS)
        for box in (LEFT, RIGHT):
            person.key("n")
            person.drag(*box, SIZE)
        person.key("q")  # the second one is occluded
        expect(targets).to_have_count(2)
        expect(person.page.locator('[data-action="occluded"]')).to_have_attribute("aria-pressed", "true")
        expect(person.page.locator("#targets .chosen .choose")).to_have_text("2")

        person.goes_to(50)
        person.sees(50)
        for _ in range(2):  # absent, and not
            person.key("o")
        person.key("Home")
        person.key("n")
        person.sees(0)
        person.drag((50, 60), (80, 90), SIZE)
        person.key("Control+z")  # before it is there
        person.key("n")
        person.drag(*RIGHT, SIZE)
        with person.page.expect_request("**/tracking") as asked:
            person.key("t")
        assert asked.value.post_data_json == {"way": "forward", "frame": 0, "ids": [3]}
        person.key("s")
        expect(person.page.locator("#job")).to_be_hidden()
        person.leaves()
    project = project_of(tmp_path, "bars.mp4")
    assert [(target.id, [key.frame for key in target.keys]) for target in project.targets] == [
        (1, [0]),
        (2, [0]),
        (3, [0]),
    ]
    assert project.target(3).keys[0].box.x > 80


def test_stop_right_after_track_stops(browser, tmp_path):
    """The key had no effect until the server had answered."""
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        person.saved()
        person.page.evaluate(
            SLOW_EDITS.replace('endsWith("/edits")', 'endsWith("/tracking") && more[0].method === "POST"')
        )
        person.key("t")
        with person.page.expect_request(lambda request: request.method == "DELETE"):
            person.key("s")
        expect(person.page.locator("#job")).to_be_hidden()


def test_a_box_that_is_not_saved_yet_is_moved_on(browser, tmp_path):
    """The second move began where the box had been before the first, and a click made a new box again."""
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        person.page.evaluate(SLOW_EDITS)
        person.drag((40, 40), (60, 40), SIZE)
        person.drag((60, 40), (60, 60), SIZE)
        person.saved()
        person.key("n")
        person.drag((10, 10), (18, 18), SIZE)
        person.key("n")
        person.page.mouse.click(*person.screen(140, 10, *SIZE))
        person.key("Escape")
        expect(person.page.locator("#targets li")).to_have_count(2)
        person.key("f")
        person.sees(1)
        person.key("o")  # made after all others
        expect(person.page.locator("#here-text")).to_have_text("Absent")
        expect(person.page.locator("#targets li")).to_have_count(2)
        person.leaves()
    first, _ = project_of(tmp_path, "bars.mp4").targets
    assert [tuple(map(round, key.box)) for key in first.keys] == [(40, 40, 40, 40)]


def test_keys_go_on_with_a_box_that_is_not_saved_yet(browser, tmp_path):
    """When the box was saved, the arrow keys did not move it any more."""
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        person.page.evaluate(SLOW_EDITS)
        person.drag((40, 40), (60, 40), SIZE)
        person.key("Enter")
        person.saved()
        for key in ("ArrowDown", "ArrowDown", "Enter"):
            person.key(key)
        person.key("f")
        person.sees(1)
        person.key("o")  # made after all others
        expect(person.page.locator("#here-text")).to_have_text("Absent")
        person.leaves()
    (target,) = project_of(tmp_path, "bars.mp4").targets
    assert [tuple(map(round, key.box)) for key in target.keys if key.box] == [(40, 22, 40, 40)]


def test_a_step_before_the_answer_to_a_new_connection_stays(browser, tmp_path):
    """The older state that was asked for with the connection took its place."""
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        held, targets = [], person.page.locator("#targets li")

        def hold(route):
            held.append((route, route.fetch()))
            if len(held) == 1:  # the page opens
                route.fulfill(response=held[0][1])

        person.page.route("**/project", hold)
        person.page.reload()
        expect(targets).to_have_count(1)
        while len(held) < 3:  # of the connection, and of its first news
            person.page.wait_for_timeout(20)
        before = held[1:]
        person.key("n")
        person.drag(*RIGHT, SIZE)
        person.saved()
        for route, answer in before:
            with person.page.expect_response("**/project"):
                route.fulfill(response=answer)
        person.page.wait_for_timeout(200)  # for the page to take the last one
        expect(targets).to_have_count(2, timeout=1_000)
        person.leaves()


def test_an_export_that_waits_for_edits_is_one_and_may_be_given_up(browser, tmp_path):
    """A second click began a second one, and a closed dialog still gave a file, perhaps of another video."""
    with a_box_in_bars(browser, tmp_path, (20, 20), (60, 60)) as person:
        begun = []
        person.page.on("request", lambda request: request.method == "POST" and begun.append(request.url))
        person.page.evaluate(SLOW_EDITS)
        start = person.page.locator("#export-start")
        for given_up in (True, False):
            person.key("q")
            person.key("Control+e")
            expect(person.page.locator("#formats input").first).to_be_visible()
            person.page.evaluate("for (const _ of [1, 2]) document.getElementById('export-start').click()")
            if given_up:
                person.key("Escape")
                expect(start).to_be_enabled()
        expect(person.page.locator("#export-text")).to_contain_text("Written")
        assert [url.rsplit("/", 1)[1] for url in begun] == ["edits", "edits", "exports"]
        person.leaves()


def test_a_person_is_asked_before_steps_are_given_up(browser, tmp_path):
    """The page went without a word, and steps that waited for their turn were lost."""
    write_bars(tmp_path / "bars.mp4", 60)
    with page_server(tmp_path / "bars.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        person.drag(*LEFT, SIZE)
        person.saved()
        person.page.evaluate(SLOW_EDITS)
        person.key("q")
        person.key("End")
        person.sees(59)
        person.key("o")
        asked = []
        person.page.on("dialog", lambda dialog: asked.append(dialog.type) or dialog.dismiss())
        person.page.evaluate("setTimeout(() => location.reload())")
        person.page.wait_for_timeout(100)
        expect(person.page.locator("#here-text")).to_have_text("Absent")
        assert asked == ["beforeunload"]
        person.saved()
        person.page.reload()  # quick again
        label = person.page.locator("#targets input")
        label.fill("typed, and not left")
        person.page.reload()
        expect(label).to_have_value("typed, and not left")
        assert asked == ["beforeunload"]
        person.leaves()
    assert [key.frame for key in project_of(tmp_path, "bars.mp4").target(1).keys] == [0, 59]


def test_keys_while_the_server_is_away_say_so(browser, bars, tmp_path):
    port = free_port()
    with page_server(bars, tmp_path / "cache", port) as (process, address):
        person = Person(browser, address)
        person.begins()
        person.key("t")
        expect(person.page.locator("#banner")).to_have_text("Draw a box around a target first.")
        process.send_signal(signal.SIGKILL)
        process.wait()
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
        for key in ("x", "Control+Enter"):
            person.key(key)
            expect(person.page.locator("#banner")).to_have_text("The server does not answer.")
            expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
        person.leaves()


def test_a_connection_that_ends_before_its_first_word_is_said(browser, bars, tmp_path):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        person.page.route_web_socket("**/events", lambda connection: connection.close())
        person.page.reload()
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
        person.leaves()
