"""The program in the browser: the page in Chromium, with onnxruntime-web from npm."""

import functools
import http.server
import shutil
import subprocess
import threading
from typing import ClassVar

import numpy as np
import pytest

from mixformer.imaging import iou
from mixformer.imaging.boxes import xywh_to_xyxy
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers.other_programs import (
    COLUMNS,
    EXAMPLES,
    assert_same,
    demo_frames,
    exported_model,
    frames_with_an_absence,
    library_rows,
)

pytest.importorskip("onnxruntime")
PROGRAM = EXAMPLES / "javascript"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TRACK_FRAMES = """async ([count, width, height, box]) => {
    const ort = await import("./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs");
    const { WebTracker } = await import("./tracker.mjs");
    const tracker = await WebTracker.load(ort, "model");
    const all = new Uint8Array(await (await fetch("frames.rgb")).arrayBuffer());
    const found = [{ box, score: 1, status: "tracking" }];
    for (let k = 0; k < count; k++) {
        const frame = { data: all.subarray(k * width * height * 3, (k + 1) * width * height * 3), width, height };
        if (k === 0) await tracker.start(frame, box);
        else found.push(await tracker.update(frame));
    }
    return found;
}"""


class Files(http.server.SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of the page, as its README puts them together."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm (Debian: apt-get install npm)")
    made = tmp_path_factory.mktemp("page")
    for name in ("index.html", "tracker.mjs", "package.json"):
        shutil.copyfile(PROGRAM / name, made / name)
    if (PROGRAM / "node_modules").is_dir():
        (made / "node_modules").symlink_to(PROGRAM / "node_modules")
    else:
        words = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        got = subprocess.run(words, cwd=made, capture_output=True, text=True, timeout=240)
        if got.returncode:
            pytest.skip(f"npm cannot get onnxruntime-web: {got.stderr.strip()[-300:]}")
    exported_model(made / "model")
    shutil.copyfile(DEMO_CLIP, made / "clip.mp4")
    return made


@pytest.fixture(scope="module")
def page(folder):
    """A page of a browser that reaches the server of the files and nothing else; `page.refused` lists the rest."""
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs the browser Chromium (Debian: apt-get install chromium)")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}/"
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_page(base_url=home)
        made.refused = []

        def guard(route):
            if route.request.url.startswith((home, "blob:")):
                route.continue_()
            else:
                made.refused.append(route.request.url)
                route.abort()

        made.route("**/*", guard)
        yield made
        browser.close()
    server.shutdown()


def rows_of(found):
    return [
        {"frame": number, **dict(zip(COLUMNS, each["box"], strict=True)), **each} for number, each in enumerate(found)
    ]


def test_the_same_pixels_give_the_boxes_of_the_package(page, folder):
    frames = frames_with_an_absence()[:34]  # lost, found again, and past the first update of the template
    expected = library_rows(folder / "model", frames)
    assert expected[-1][2] == "tracking"
    (folder / "frames.rgb").write_bytes(b"".join(frame.tobytes() for frame in frames))
    height, width = frames[0].shape[:2]
    page.goto("/")
    page.set_default_timeout(400_000)
    assert_same(rows_of(page.evaluate(TRACK_FRAMES, [len(frames), width, height, list(DEMO_BOX)])), expected)


def test_the_page_tracks_the_demo_clip_and_asks_no_other_server(page, folder):
    page.goto("/?box=" + ",".join(f"{v:g}" for v in DEMO_BOX))
    done = "/^(Done|Failed)/.test(document.getElementById('status').textContent)"
    page.wait_for_function(done, timeout=400_000)
    assert page.inner_text("#status") == "Done: 53 frames"
    assert page.refused == []
    found = page.evaluate("results")
    expected = library_rows(folder / "model", demo_frames())
    assert [each["status"] for each in found] == [status for _, _, status in expected]
    # The browser's colors are not exactly those of the package, so neither are the boxes.
    boxes = (np.array([each["box"] for each in found]), np.array([list(box) for box, _, _ in expected]))
    overlap, _ = iou(*map(xywh_to_xyxy, boxes))
    assert overlap.mean() > 0.85
    assert overlap.min() > 0.6
