"""What the page keeps and whom it lets in: crashes, two people, wrong files, foreign pages."""

import shutil
import signal

from tests.helpers.person import Person, expect, project_of
from tests.helpers.web import free_port, page_server


def test_killed_in_the_middle_nothing_is_lost(browser, demo, tmp_path):
    port = free_port()
    with page_server(demo, tmp_path / "cache", port) as (process, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.drag((260, 29), (301, 171))
        person.saved()
        person.key("t")
        expect(person.page.locator("#job")).to_be_visible(timeout=20_000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        expect(person.page.locator("#banner")).to_contain_text("goes on as soon as it is back")
    with page_server(demo, tmp_path / "cache", port) as (_, address):
        expect(person.page.locator("#banner")).to_be_hidden(timeout=30_000)
        expect(person.page.locator("#targets li")).to_have_count(1)
        person.tracks("t")
        person.page.reload()
        person.sees(person.page.evaluate("Number(location.hash.split('/').at(-1))"))
        expect(person.page.locator("#targets li")).to_have_count(1)
        person.leaves()
    assert len(project_of(demo).target(1).tracked) == 52


def test_two_people_see_each_other(browser, demo, tmp_path):
    with page_server(demo, tmp_path / "cache") as (_, address):
        first, second = (Person(browser, address) for _ in range(2))
        for person in (first, second):
            person.sees(0)
            person.is_ready()
            expect(person.page.locator("#people")).to_contain_text("2 windows")
        first.drag((260, 29), (301, 171))
        expect(second.page.locator("#targets li")).to_have_count(1)
        second.key("n")
        second.drag((100, 100), (150, 200))
        expect(first.page.locator("#targets li")).to_have_count(2)
        # An edit of a state that the other has changed is not made, and that is said.
        first.page.route("**/project", lambda route: None)
        with first.page.expect_request("**/project"):
            second.key("o")
        first.key("Control+z")
        expect(first.page.locator("#saved")).to_have_text("Not saved")
        first.page.unroute("**/project")
        expect(first.page.locator("#banner")).to_contain_text("Somebody else")
        second.leaves()
        expect(first.page.locator("#people")).to_be_empty()
        first.context.close()


def test_several_videos_uploads_and_wrong_files(browser, demo, bars, tmp_path):
    (demo / "text.mp4").write_text("no video")
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        expect(person.page.locator("#videos li")).to_have_count(2)
        (tmp_path / "wrong.mp4").write_text("no video either")
        second = shutil.copy(bars, tmp_path / "second.mp4")
        files = [str(bars), str(tmp_path / "wrong.mp4"), str(second)]
        person.page.get_by_label("Add videos").set_input_files(files)
        expect(person.page.locator("#videos li")).to_have_count(4)
        expect(person.page.locator("#banner")).to_contain_text("wrong.mp4 is no video that can be read")
        person.page.get_by_role("link", name="text.mp4").click()
        expect(person.page.locator("#banner")).to_contain_text("text.mp4")
        person.page.get_by_role("button", name="All videos").or_(person.page.locator("#to-videos")).first.click()
        person.page.get_by_role("link", name="bars.mp4").click()
        person.sees(0)
        person.is_ready()
        person.drag((40, 20), (90, 60), (160, 96))
        person.saved()
        person.key("Control+i")
        (tmp_path / "broken.xml").write_text("<annotations>")
        person.page.locator("#import-file").set_input_files(str(tmp_path / "broken.xml"))
        person.page.locator("#import-start").click()
        expect(person.page.locator("#import-text")).to_contain_text("broken.xml")
        person.key("Escape")
        person.key("Control+Enter")
        expect(person.page.locator("#videos .state.done")).to_have_count(1)
        person.leaves()


def test_a_page_without_the_token_says_so(browser, bars, tmp_path):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address.partition("#")[0])
        expect(person.page.locator("#banner")).to_contain_text("Use the address that the terminal shows")
        person.leaves()


def test_any_token_leads_to_the_page(browser, bars, tmp_path):
    """One as `openssl rand -base64 24` makes it was cut at its first sign."""
    token = "a+secret/of several.signs&100%=="
    with page_server(bars, tmp_path / "cache", None, "--token", token) as (process, _):
        address = next(line.strip() for line in process.stdout if line.startswith("http"))
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        assert token not in person.page.url
        person.leaves()


def test_another_page_cannot_drive_it(browser, bars, tmp_path):
    """A page of another origin that even knows the token gets nothing."""
    with (
        page_server(bars, tmp_path / "cache") as (_, address),
        page_server(bars.parent, tmp_path / "other") as (_, other),
    ):
        origin = address.partition("/#")[0]
        page = browser.new_page()
        page.goto(other.partition("#")[0] + "static/icon.svg")
        token = address.partition("token=")[2]
        found = page.evaluate(
            """async ([origin, token]) => {
              const tries = [
                fetch(`${origin}/api/videos`, {headers: {Authorization: `Bearer ${token}`}}).then(r => r.status),
                fetch(`${origin}/api/videos`, {mode: 'no-cors'}).then(r => r.type),
                new Promise((done) => { const s = new WebSocket(`${origin.replace('http', 'ws')}/api/videos/x/events`);
                  s.onopen = () => done('open'); s.onerror = () => done('refused'); }),
              ];
              return Promise.all(tries.map(each => each.catch(() => 'refused')));
            }""",
            [origin, token],
        )
        assert set(found) <= {"refused", "opaque"}
        page.close()
