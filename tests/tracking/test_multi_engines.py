"""Several targets on the engines for exported graphs: the boxes of single trackers, bit for bit."""

import numpy as np
import pytest

import mixformer
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.tracking import MultiTracker, Tracker, TrackState
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

FRAMES = 8
RULES = TrackerConfig(search_factor=4.0, update_interval=3, online_templates=2, score_threshold=0.0)
LEFT, TOP, FLOOR = (120, 60, 50, 120), (300, 10, 60, 60), (40, 180, 50, 40)
PLAN = {0: [("orange", DEMO_BOX), ("left", LEFT)], 2: [("top", TOP)], 4: [("floor", FLOOR)]}  # frame: targets added
GONE = {4: "left", 6: "top"}  # frame: target removed before it


@pytest.fixture(scope="module")
def images():
    with mixformer.open_video(DEMO_CLIP, 0, FRAMES) as video:
        return [frame.image for frame in video]


@pytest.fixture(scope="module", params=["openvino", "onnx"])
def engine(request):
    package = {"openvino": "openvino", "onnx": "onnxruntime"}[request.param]
    pytest.importorskip(package, reason=f"the engine needs {package}: pip install 'mixformer[{request.param}]'")
    return create_engine(
        DEFAULT_MODEL, runtime=Runtime(device="cpu", engine=request.param, precision="float32", threads=1)
    )


@pytest.fixture(scope="module")
def expected(engine, images):
    """Results of trackers of their own, by target."""
    found = {}
    for start, targets in PLAN.items():
        for name, box in targets:  # type: ignore[attr-defined]
            tracker = Tracker(engine, RULES)
            tracker.init(images[start], box)
            found[name] = [tracker.update(image) for image in images[start + 1 : lasts(name)]]
    return found


def lasts(name):
    """The frame in which a target is no longer looked for."""
    return next((frame for frame, gone in GONE.items() if gone == name), FRAMES)


def plain(results):
    """Numbers and decisions of results, to be compared as they are."""
    return [(*result.box, result.score, result.frame, result.template_updated) for result in results]


def test_boxes_are_those_of_single_trackers_bit_for_bit(engine, images, expected):
    tracker = MultiTracker(engine, RULES)
    found = {name: [] for name in expected}
    for index, image in enumerate(images):
        if index in GONE:
            tracker.remove(GONE[index])
        for name, result in tracker.update(image).items():
            found[name].append(result)
        for name, box in PLAN.get(index, ()):  # type: ignore[attr-defined]
            tracker.add(image, box, name)
    assert tracker.ids == ("orange", "floor")  # in the slot of "left"
    assert {name: len(results) for name, results in found.items()} == {"orange": 7, "left": 3, "top": 3, "floor": 3}
    for name, results in found.items():
        assert plain(results) == plain(expected[name])
        assert [r.template_updated for r in results] == [r.frame % 3 == 0 for r in results]


def test_a_target_goes_on_in_the_plain_network(engine, images, expected, tmp_path):
    """With the same boxes, to the rounding of the engines."""
    tracker = MultiTracker(engine, RULES)
    tracker.add(images[0], DEMO_BOX, "orange")
    tracker.add(images[0], LEFT, "left")
    for image in images[1:4]:
        tracker.update(image)
    plain_network = MultiTracker(
        create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="torch", precision="float32")), RULES
    )
    for name in ("orange", "left"):
        tracker.remove(name).save(tmp_path / "state.npz")
        plain_network.restore(TrackState.load(tmp_path / "state.npz"), name)
    found = [plain_network.update(image)["orange"] for image in images[4:6]]
    np.testing.assert_allclose([r.box for r in found], [r.box for r in expected["orange"][3:5]], atol=0.01)
    np.testing.assert_allclose([r.score for r in found], [r.score for r in expected["orange"][3:5]], atol=1e-3)
