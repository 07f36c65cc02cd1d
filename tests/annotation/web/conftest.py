"""A headless browser, and videos whose pictures show their numbers."""

import shutil

import av
import pytest

from tests.helpers.web import bar_frame

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")  # ended with its file, so that no later test has a second event loop beside it
def browser():
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs the browser Chromium (Debian: apt-get install chromium)")
    with sync.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="session")
def bars(tmp_path_factory):
    """120 frames, each of which shows its number."""
    return write_bars(tmp_path_factory.mktemp("bars") / "bars.mp4", 120)


def write_bars(path, count, gop=60):
    with av.open(str(path), "w") as out:
        options = {"g": str(gop), "crf": "16", "preset": "ultrafast", "bf": "0"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(bar_frame(number))))
        out.mux(stream.encode(None))
    return path
