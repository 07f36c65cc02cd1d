"""Somebody in front of the page, in a real browser."""

from contextlib import contextmanager

import pytest

from mixformer.annotation import load_project
from tests.annotation.web.conftest import write_bars
from tests.helpers.web import page_server

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
# Edits reach the server late.
SLOW_EDITS = """() => {
    const now = window.fetch;
    const later = (...words) => new Promise((done) => setTimeout(() => done(now(...words)), 700));
    window.fetch = (address, ...more) => (String(address).endsWith("/edits") ? later : now)(address, ...more);
}"""
SIZE = (160, 96)  # of the pictures of `write_bars`


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

    def begins(self):
        """Wait until the first frame and the tools are there."""
        self.sees(0)
        self.is_ready()

    def goes_to(self, frame):
        """Type the number of a frame."""
        self.page.locator("#number").fill(str(frame))
        self.page.locator("#number").press("Enter")

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

    def area(self, what):
        """Rectangle of a part of the page, which may be drawn anew at any moment."""
        for _ in range(100):
            area = self.page.locator(what).first.bounding_box()
            if area:
                return area
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{what} is not there")

    def place(self, what):
        """Middle of a part of the page."""
        area = self.area(what)
        return area["x"] + area["width"] / 2, area["y"] + area["height"] / 2

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


@contextmanager
def a_box_in_bars(browser, folder, start, end):
    """Open the page of bars.mp4, 60 frames, for a person who has drawn one box."""
    write_bars(folder / "bars.mp4", 60)
    with page_server(folder / "bars.mp4", folder / "cache") as (_, address):
        person = Person(browser, address)
        person.begins()
        person.drag(start, end, SIZE)
        person.saved()
        yield person


def project_of(folder, name="clip.mp4"):
    return load_project(folder / f"{name}.mixformer.json")


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0, w) * max(0, h)
    return both / (a[2] * a[3] + b[2] * b[3] - both)
