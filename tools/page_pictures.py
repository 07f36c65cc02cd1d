"""Take docs/images/web_*.jpg: the page of `mixformer web` with two tracked targets of the bundled clip.

    python tools/page_pictures.py

Needs mixformer[web], playwright and Chromium. A real server tracks a copy of the clip in which the first target is
covered for a while, so that the timeline shows doubtful frames; the browser draws the boxes as a person would.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image as PillowImage
from playwright.sync_api import Browser, Page, sync_playwright

from mixformer import open_video
from mixformer.video import open_writer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COVERED, WALL = range(18, 32), (225, 0, 335, 360)  # as in demo_gif.py
TARGETS = (("man", DEMO_BOX), ("car", (334, 82, 118, 72)))
FRAME = 42  # the one shown
VIEWS = (("light", 1280, 720), ("dark", 1280, 720), ("narrow", 420, 860))
TOKEN = "pictures-for-the-documents"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        _write_clip(Path(folder) / "orange_shirt.mp4")
        with socket.create_server(("127.0.0.1", 0)) as made:
            port = made.getsockname()[1]
        words = ["web", folder, "--no-browser", "--port", str(port), "--token", TOKEN]
        server = subprocess.Popen([sys.executable, "-m", "mixformer", *words])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            _wait_for(port)
            address = f"http://127.0.0.1:{port}/#token={TOKEN}"
            _annotate(browser, address)
            for name, width, height in VIEWS:
                _take(browser, address, name, (width, height))
        finally:
            browser.close()
            server.terminate()
            server.wait()


def _write_clip(path: Path) -> None:
    left, top, right, bottom = WALL
    with open_video(DEMO_CLIP) as video, open_writer(path, video.fps) as writer:
        for frame in video:
            image = frame.image.copy()
            if frame.index in COVERED:
                image[top:bottom, left:right] = (96, 104, 112)
            writer.write(image)


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server does not answer")


def _open(browser: Browser, address: str, size: tuple[int, int], scheme: str) -> Page:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.set_default_timeout(600_000)
    page.goto(address)
    page.locator("#picture[data-frame]").wait_for()
    return page


def _annotate(browser: Browser, address: str) -> None:
    """Draw each target, name it, and track all."""
    page = _open(browser, address, (1280, 720), "light")
    page.locator("#stage.drawing").wait_for()
    for number, (label, (x, y, w, h)) in enumerate(TARGETS, 1):
        if number > 1:
            page.keyboard.press("n")
        area = page.locator("#stage").bounding_box()
        assert area is not None
        scale = min(area["width"] / 640, area["height"] / 360)
        left = area["x"] + (area["width"] - 640 * scale) / 2
        top = area["y"] + (area["height"] - 360 * scale) / 2
        page.mouse.move(left + x * scale, top + y * scale)
        page.mouse.down()
        page.mouse.move(left + (x + w / 2) * scale, top + (y + h / 2) * scale)
        page.mouse.move(left + (x + w) * scale, top + (y + h) * scale)
        page.mouse.up()
        field = page.get_by_label(f"Label of target {number}")
        field.fill(label)
        field.press("Enter")
    page.keyboard.press("a")
    page.keyboard.press("t")
    page.locator("#job").wait_for(state="visible")
    page.locator("#job").wait_for(state="hidden")
    page.close()


def _take(browser: Browser, address: str, name: str, size: tuple[int, int]) -> None:
    page = _open(browser, address, size, name)
    page.locator("#number").fill(str(FRAME))
    page.locator("#number").press("Enter")
    page.locator(f'#picture[data-frame="{FRAME}"]').wait_for()
    page.wait_for_timeout(1500)  # the sharp frame takes the place of the small copy
    PillowImage.open(io.BytesIO(page.screenshot())).convert("RGB").save(IMAGES / f"web_{name}.jpg", quality=88)
    page.close()


if __name__ == "__main__":
    main()
