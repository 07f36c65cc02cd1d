"""A headless browser, and videos whose pictures show their numbers."""

import shutil
import threading
from contextlib import suppress

import av
import psutil
import pytest
from PIL import Image

from mixformer.video.demo import DEMO_CLIP
from tests.helpers.clips import moving_square, write_clip
from tests.helpers.web import bar_frame, client_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")  # ended with its file, so that no later test has a second event loop beside it
def browser():
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs the browser Chromium (Debian: apt-get install chromium)")
    playwright = sync.sync_playwright().start()
    made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield made
    # Closing has no time limit of its own: a browser that does not answer is ended by force, its driver with it.
    force = threading.Timer(60, end_children, [{"chromium", "chrome", "node"}])
    force.start()
    with suppress(sync.Error):
        made.close()
        playwright.stop()
    force.cancel()


def end_children(names):
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if child.name() in names:
                child.kill()


@pytest.fixture(scope="session")
def bars_clip(tmp_path_factory):
    return write_bars(tmp_path_factory.mktemp("bars") / "bars.mp4", 120)


@pytest.fixture
def bars(bars_clip, tmp_path):
    """120 frames, each of which shows its number; a copy, as a test may leave boxes beside it."""
    folder = tmp_path / "bars"
    folder.mkdir()
    return shutil.copy(bars_clip, folder / "bars.mp4")


@pytest.fixture
def demo(tmp_path):
    """A folder with the demo clip."""
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(DEMO_CLIP.read_bytes())
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder with a clip of a square that moves."""
    place = tmp_path / "videos"
    place.mkdir()
    write_clip(place / "clip.mp4", moving_square()[0])
    return place


@pytest.fixture
def client(folder):
    with client_of(folder) as made:
        yield made


def write_bars(path, count, gop=60, size=(160, 96)):
    with av.open(str(path), "w") as out:
        options = {"g": str(gop), "crf": "16", "preset": "ultrafast", "bf": "0"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            picture = Image.fromarray(bar_frame(number)).resize(size, Image.Resampling.NEAREST)
            out.mux(stream.encode(av.VideoFrame.from_image(picture)))
        out.mux(stream.encode(None))
    return path
