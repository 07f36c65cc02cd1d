"""The walk through the page of docs/web.md, with what it takes: 8 seconds of a child who hides, to a CVAT file."""

from collections import Counter
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from mixformer.video import open_video
from mixformer.video.demo import DEMO_CLIP
from tests.helpers.person import Person, expect, iou
from tests.helpers.web import page_server

CHILD = (260, 29, 41, 142)  # in the first frame of the clip
HIDDEN, BACK = 75, 106


def write_hide_and_seek(path):
    """200 frames: the bundled clip forward and backward, twice. In frames 75 to 105 a tree stands before the child."""
    with open_video(DEMO_CLIP) as video:
        there = [frame.image for frame in video]
    frames = (there + there[::-1]) * 2
    grain = np.random.default_rng(0).integers(0, 40, (360, 200, 3), np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"g": "50", "crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, image in enumerate(frames[:200]):
            picture = image.copy()
            if HIDDEN <= number < BACK:
                picture[:, 190:390] = grain + np.array([70, 50, 30], np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode(None))


class Walk(Person):
    """A person whose drags, clicks and keys are counted."""

    def __init__(self, browser, address):
        super().__init__(browser, address)
        self.took = Counter()
        self.sees(0)
        self.is_ready()

    def types(self, *names):
        for name in names:
            self.took["keys"] += 1
            self.key(name)

    def frame(self):
        return int(self.page.locator("#number").input_value())

    def steps(self, name, by):
        to = self.frame() + by
        self.types(name)
        self.sees(to)

    def draws(self, box):
        self.took["drags"] += 1
        x, y, w, h = box
        self.drag((x, y), (x + w, y + h))
        self.saved()

    def clicks(self, what):
        self.took["clicks"] += 1
        what.click()

    def tracks(self, key):
        self.took["keys"] += 1
        super().tracks(key)


@pytest.mark.sweep
def test_a_child_plays_hide_and_seek(browser, tmp_path):
    write_hide_and_seek(tmp_path / "clip.mp4")
    with page_server(tmp_path / "clip.mp4", tmp_path / "cache") as (_, address):
        child = Walk(browser, address)
        child.draws(CHILD)
        child.clicks(child.page.get_by_label("Label of target 1"))
        child.types(*"child", "Enter")
        child.saved()
        child.tracks("t")
        child.types("Home")
        child.sees(0)
        child.types("x")
        expect(child.page.locator("#number")).not_to_have_value("0")
        assert HIDDEN <= child.frame() < BACK
        while child.frame() > HIDDEN:  # to the first frame without the child
            child.steps("d", -1)
        child.types("o")
        child.saved()
        while child.frame() < BACK:  # to the first frame with the child
            child.steps(*(("v", 10) if child.frame() + 10 <= BACK else ("f", 1)))
        child.types("b")
        child.draws(CHILD)
        child.tracks("y")
        child.types("x")
        expect(child.page.locator("#banner")).to_have_text("No frame is doubtful.")
        with child.page.expect_download(timeout=60_000) as download:
            child.types("Control+e", "Enter")  # at once, before the formats are listed
        download.value.save_as(tmp_path / "child.xml")
        child.leaves()
    assert (child.took["drags"], child.took["clicks"]) == (2, 1)
    assert child.took["keys"] <= 32, child.took
    is_right(tmp_path / "child.xml")


def is_right(file):
    (track,) = ElementTree.parse(file).getroot().iter("track")
    boxes = {int(box.get("frame")): box for box in track}
    assert track.get("label") == "child"
    assert boxes[HIDDEN].get("outside") == "1"
    assert not any(HIDDEN < number < BACK for number in boxes)
    left, top, right, bottom = (float(boxes[BACK].get(side)) for side in ("xtl", "ytl", "xbr", "ybr"))
    assert iou((left, top, right - left, bottom - top), CHILD) > 0.9
    assert all(box.get("outside") == "0" for number, box in boxes.items() if BACK <= number < 199)
