"""The page in a real browser, as a person uses it. Any error of the page fails its test."""

import json
import signal
import zipfile

import pytest

from mixformer.annotation import load_project
from mixformer.annotation.web import frame_store
from mixformer.video.demo import DEMO_CLIP
from tests.annotation.web.conftest import write_bars
from tests.helpers.web import free_port, page_server

sync = pytest.importorskip("playwright.sync_api")
expect = sync.expect
expect.set_options(timeout=30_000)  # a busy machine is no error
# The 16 bits of `bar_frame`, read from the middle of each on the screen.
NUMBER = """() => {
  const canvas = document.getElementById('picture');
  const pen = canvas.getContext('2d');
  const scale = Math.min(canvas.width / 160, canvas.height / 96);
  let number = 0;
  for (let bit = 0; bit < 16; bit++) {
    const x = (canvas.width - 160 * scale) / 2 + (12 + 19 * (bit % 8)) * scale;
    const y = (canvas.height - 96 * scale) / 2 + (24 + 40 * Math.floor(bit / 8)) * scale;
    if (pen.getImageData(Math.round(x), Math.round(y), 1, 1).data[0] > 128) number += 2 ** bit;
  }
  return number;
}"""


class Person:
    """Somebody in front of a page."""

    def __init__(self, browser, address, size=(1280, 720), hash=""):
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, accept_downloads=True)
        self.page = self.context.new_page()
        self.problems = []
        self.page.on("console", lambda message: self._hear(message))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(address + hash)
        self.key = self.page.keyboard.press

    def _hear(self, message):
        # A server that is away, and an answer that is no success, are not errors of the page.
        away = ("Failed to load resource", "WebSocket connection", "Canvas2D: Multiple readback")
        if message.type in ("error", "warning") and not message.text.startswith(away):
            self.problems.append(message.text)

    def sees(self, frame):
        expect(self.page.locator("#picture")).to_have_attribute("data-frame", str(frame))

    def is_ready(self):
        expect(self.page.locator("#count")).to_contain_text("of ")
        expect(self.page.locator("#stage.drawing").or_(self.page.locator("#targets li").first)).to_be_visible()

    def screen(self, x, y, width=640, height=360):
        """Where a pixel of the video is on the screen."""
        area = self.page.locator("#stage").bounding_box()
        scale = min(area["width"] / width, area["height"] / height)
        left = area["x"] + (area["width"] - width * scale) / 2
        top = area["y"] + (area["height"] - height * scale) / 2
        return left + x * scale, top + y * scale

    def drag(self, start, end, size=(640, 360)):
        mouse = self.page.mouse
        mouse.move(*self.screen(*start, *size))
        mouse.down()
        mouse.move(*self.screen((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, *size))
        mouse.move(*self.screen(*end, *size))
        mouse.up()

    def place(self, what):
        """Middle of a part of the page, which may be drawn anew at any moment."""
        for _ in range(100):
            area = self.page.locator(what).bounding_box()
            if area:
                return area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{what} is not there")

    def pulls(self, what, dx, dy):
        """Drag a part of the page by some pixels of the screen."""
        x, y = self.place(what)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx, y + dy)
        self.page.mouse.up()

    def tracks(self, key):
        self.key(key)
        expect(self.page.locator("#job")).to_be_visible(timeout=20_000)
        expect(self.page.locator("#job")).to_be_hidden(timeout=90_000)

    def saved(self):
        expect(self.page.locator("#saved")).to_have_text("Saved")

    def shown_number(self):
        return self.page.evaluate(NUMBER)

    def leaves(self):
        self.context.close()
        assert not self.problems


@pytest.fixture
def demo(tmp_path):
    """A folder with the demo clip."""
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(DEMO_CLIP.read_bytes())
    return folder


def project_of(folder, name="clip.mp4"):
    return load_project(folder / f"{name}.mixformer.json")


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0, w) * max(0, h)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def test_draw_track_correct_undo_and_export(browser, demo, tmp_path):
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.drag((260, 29), (301, 171))
        person.saved()
        expect(person.page.locator("#targets li")).to_have_count(1)
        label = person.page.get_by_label("Label of target 1")
        label.fill("<b>child</b>")
        label.press("Enter")
        person.saved()
        assert person.page.locator("#targets b").count() == 0

        person.tracks("t")
        person.key("End")
        person.sees(52)
        expect(person.page.locator("#here-text")).to_contain_text("Tracked")

        # A correction in the middle: moved by its inside, made larger by a handle.
        person.page.locator("#number").fill("30")
        person.page.locator("#number").press("Enter")
        person.sees(30)
        person.pulls("#boxes .chosen .edge", 8, 4)
        expect(person.page.locator("#here-text")).to_have_text("Key box of a person")
        person.pulls('#boxes [data-handle="se"] .grip', 6, 3)
        person.saved()
        person.tracks("y")
        person.key("Control+z")
        person.saved()
        person.key("Control+Shift+Z")
        person.saved()

        person.key("Control+e")
        for name in person.page.locator("#formats input").evaluate_all("all => all.map(each => each.value)"):
            person.page.locator(f'#formats input[value="{name}"]').check()
            with person.page.expect_download(timeout=60_000) as download:
                person.page.locator("#export-start").click()
            path = tmp_path / download.value.suggested_filename
            download.value.save_as(path)
            assert path.stat().st_size > 100
            assert path.suffix != ".zip" or zipfile.ZipFile(path).testzip() is None
            expect(person.page.locator("#export-text")).to_contain_text("Written")
        person.leaves()
    project = project_of(demo)
    target = project.target(1)
    assert target.label == "<b>child</b>"
    assert [key.frame for key in target.keys] == [0, 30]
    assert iou(target.keys[0].box, (260, 29, 41, 142)) > 0.9
    assert [box.origin for box in project.boxes(1, 28, 33)] == ["tracker", "tracker", "person", "tracker", "tracker"]


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


def test_keyboard_alone(browser, demo, tmp_path):
    with page_server(demo / "clip.mp4", tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.key("?")
        expect(person.page.get_by_role("dialog")).to_be_visible()
        expect(person.page.get_by_role("dialog")).to_contain_text("Next doubtful frame")
        person.key("Escape")
        person.key("n")
        person.key("Enter")
        for _ in range(3):
            person.key("Control+ArrowRight")
        person.key("Shift+ArrowDown")
        person.key("Enter")
        person.saved()
        person.key("v")
        person.sees(10)
        person.key("Enter")
        person.key("ArrowUp")
        person.key("Enter")
        expect(person.page.locator("#here-text")).to_have_text("Key box of a person")
        person.key("q")
        expect(person.page.locator('[data-action="occluded"]')).to_have_attribute("aria-pressed", "true")
        person.key("v")
        person.sees(20)
        person.key("o")
        expect(person.page.locator("#here-text")).to_have_text("Absent")
        person.key("e")
        person.sees(10)
        person.key("m")
        person.sees(15)
        person.key("Control+z")
        person.saved()
        for name in person.page.locator("button:visible").evaluate_all(
            "all => all.map(each => each.getAttribute('aria-label') || each.textContent)"
        ):
            assert name.strip()
        titles = person.page.locator("[data-action]").evaluate_all("all => all.map(each => each.title)")
        assert all("(" in title for title in titles)
        person.leaves()
    keys = project_of(demo).target(1).keys
    assert [(key.frame, key.occluded) for key in keys] == [(0, False), (10, True)]
    assert keys[0].box == (286, 126, 128, 109)


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


def test_stop_and_doubt(browser, demo, tmp_path):
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        person.sees(0)
        person.is_ready()
        person.drag((400, 250), (440, 290))  # pavement, which a tracker cannot follow for long
        person.saved()
        person.key("t")
        expect(person.page.locator("#job")).to_be_visible(timeout=20_000)
        person.page.locator('[data-action="stop"]').click()
        expect(person.page.locator("#job")).to_be_hidden(timeout=20_000)
        person.tracks("t")
        person.key("Home")
        person.key("x")
        doubtful = [each.frame for each in project_of_server(demo).boxes(1, 0, 53) if each.status != "tracking"]
        if doubtful:
            person.sees(doubtful[0])
        else:
            expect(person.page.locator("#banner")).to_contain_text("No doubtful frame")
        person.leaves()


def project_of_server(folder):
    """The project as a journal beside its file has it, while a server holds it."""
    from mixformer.annotation import ProjectHistory

    path = folder / "clip.mp4.mixformer.json"
    history = ProjectHistory(load_project(path))
    lines = path.with_name(f"{path.name}.journal").read_text().splitlines()[1:]
    for line in lines:
        history = history.do(json.loads(line))
    return history.project


def test_several_videos_uploads_and_wrong_files(browser, demo, bars, tmp_path):
    (demo / "text.mp4").write_text("no video")
    with page_server(demo, tmp_path / "cache") as (_, address):
        person = Person(browser, address)
        expect(person.page.locator("#videos li")).to_have_count(2)
        person.page.get_by_label("Add a video").set_input_files(str(bars))
        expect(person.page.locator("#videos li")).to_have_count(3)
        (tmp_path / "wrong.mp4").write_text("no video either")
        person.page.get_by_label("Add a video").set_input_files(str(tmp_path / "wrong.mp4"))
        expect(person.page.locator("#banner")).to_contain_text("no video that can be read")
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


@pytest.mark.parametrize(("size", "scheme"), [((1280, 720), "light"), ((1280, 720), "dark"), ((760, 1000), "light")])
def test_everything_is_on_the_screen(browser, bars, tmp_path, size, scheme):
    with page_server(bars, tmp_path / "cache") as (_, address):
        person = Person(browser, address, size)
        person.page.emulate_media(color_scheme=scheme)
        person.sees(0)
        person.is_ready()
        wide = person.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
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
    assert store._held <= 2**18
    store.close()
