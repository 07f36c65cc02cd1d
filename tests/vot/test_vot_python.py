"""The class that the toolkit loads: what it is given, what it gives back, and how errors reach the toolkit."""

import os
import pickle
import subprocess
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixformer.engines import Runtime
from mixformer.errors import ConfigError
from mixformer.tracking import Tracker
from mixformer.vot import VotTracker
from mixformer.vot.python_protocol import MaskRows
from mixformer.vot.session import load_refiner
from tests.helpers.clips import moving_square

# The toolkit's side, in a process of its own as there: arguments and results go through pickles in queues.
TOOLKIT = """
import multiprocessing, sys
from mixformer.vot import VotTracker

def worker(arguments, tasks, results):
    tracker = VotTracker(**arguments)
    results.put(tracker.multiobject)
    for kind, frame, new in iter(tasks.get, None):
        results.put(getattr(tracker, kind)(frame, new, {}))

if __name__ == "__main__":
    model, *frames = sys.argv[1:]
    context = multiprocessing.get_context("spawn")
    tasks, results = context.Queue(), context.Queue()
    arguments = {"model": model, "device": "cpu", "multiobject": "false"}
    process = context.Process(target=worker, args=(arguments, tasks, results))
    process.start()
    print(results.get(timeout=60))
    tasks.put(("init", frames[0], ((10.0, 30.0, 20.0, 20.0), {})))
    print(results.get(timeout=60))
    for frame in frames[1:]:
        tasks.put(("update", frame, []))
        print(results.get(timeout=60))
    tasks.put(None)
    process.join()
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    for index, frame in enumerate(moving_square(4)[0]):
        Image.fromarray(frame).save(folder / f"{index}.png")
    return [str(folder / f"{index}.png") for index in range(4)]


@pytest.fixture
def make(tiny_model):
    return lambda multiobject="false", **arguments: VotTracker(
        str(tiny_model), device="cpu", multiobject=multiobject, **arguments
    )


def test_one_target_through_the_toolkits_queues(tiny_model, frames, tmp_path):
    (tmp_path / "toolkit.py").write_text(TOOLKIT)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "toolkit.py"), str(tiny_model), *frames]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:2] == ["False", "((10.0, 30.0, 20.0, 20.0), {'confidence': '1.000000'})"]
    tracker = Tracker(tiny_model, runtime=Runtime(device="cpu"))
    images = [np.asarray(Image.open(path)) for path in frames]
    tracker.init(images[0], (10, 30, 20, 20))
    for line, image in zip(said[2:], images[1:], strict=True):
        result = tracker.update(image)
        assert line == f"({tuple(result.box)}, {{'confidence': '{result.score:.6f}'}})"


def test_the_toolkit_counts_three_parameters():
    """It gives (frame, new, properties) only to methods with that many."""
    for method in (VotTracker.init, VotTracker.update):
        assert list(signature(method).parameters) == ["self", "frame", "new", "properties"]


def test_several_targets(make, frames):
    tracker = make(multiobject="true")
    assert signature(VotTracker).parameters["multiobject"].default == "true"
    assert tracker.multiobject is True
    first = ((10.0, 30.0, 20.0, 20.0), {})
    assert [region for region, _ in tracker.init(frames[0], [first], {})] == [first[0]]
    joined = tracker.update(frames[1], [((60.0, 10.0, 30.0, 30.0), {})], {})
    assert len(joined) == 2
    assert joined[1][0] == (60.0, 10.0, 30.0, 30.0)
    assert len(tracker.update(frames[2], [], {})) == 2
    assert len(tracker.init(frames[0], [first], {})) == 1
    assert tracker.update(frames[1], [], {}) == joined[:1]  # alone as in company


def test_a_mask_comes_as_the_corners_of_its_box(make, frames):
    """`convert = rectangle` of toolkit 0.9.0 gives the places of the first and last pixel."""
    corners = [(10.0, 30.0), (29.0, 30.0), (29.0, 49.0), (10.0, 49.0)]
    region, _ = make().init(frames[0], (corners, {}), {})
    assert region == (10.0, 30.0, 20.0, 20.0)
    mask = np.zeros((90, 120), np.uint8)
    mask[30:50, 10:30] = 1
    assert make().init(frames[0], (mask, {}), {})[0] == region


def test_masks_are_lists_that_the_toolkit_can_turn_into_arrays(make, frames):
    pytest.importorskip("cv2", reason="GrabCut needs OpenCV: pip install 'mixformer[masks]'")
    rows, properties = make(masks="grabcut").init(frames[0], ((10.0, 30.0, 20.0, 20.0), {}), {})
    assert properties == {"confidence": "1.000000"}
    sent = pickle.loads(pickle.dumps(rows))
    assert isinstance(sent, list)
    assert all(isinstance(row, list) for row in sent)
    array = sent.astype(np.uint8)  # type: ignore[attr-defined]
    assert array.dtype == np.uint8
    assert array.shape == (90, 120)
    assert array[40, 20] == 1
    assert array[5, 100] == 0
    assert np.array_equal(array, np.array(list(MaskRows(rows))))


def test_the_color_channel_is_taken(make, frames):
    new = ((10.0, 30.0, 20.0, 20.0), {})
    both = make().init({"depth": "nowhere.png", "color": frames[0]}, new, {})
    assert both == make().init(frames[0], new, {})
    arrays = {"depth": np.zeros((90, 120, 3), np.uint8), "color": np.asarray(Image.open(frames[0]))}
    assert make().init(arrays, new, {}) == both  # what toolkit 0.9.0 sends


@pytest.mark.parametrize(
    ("frame", "new", "message"),
    [
        ("nowhere.png", ((10.0, 30.0, 20.0, 20.0), {}), "nowhere.png"),
        (None, ((10.0, 30.0), {}), "give a box, a mask or a polygon"),
        (None, ((10.0, 30.0, 0.0, 20.0), {}), "area"),
        (None, (np.zeros((90, 120)), {}), "the mask to start from is empty"),
    ],
)
def test_errors_are_of_a_kind_that_the_toolkit_reports(make, frames, frame, new, message):
    with pytest.raises(RuntimeError, match=message):
        make().init(frame or frames[0], new, {})


def test_without_a_target_there_is_no_answer(make, frames):
    with pytest.raises(RuntimeError, match="there is no target"):
        make().update(frames[0])
    assert make(multiobject="true").update(frames[0]) == []


def test_wrong_arguments(make):
    with pytest.raises(RuntimeError, match="true or false, not 'maybe'"):
        make(multiobject="maybe")
    with pytest.raises(RuntimeError, match="a number or auto, not '²'"):
        make(threads="²")
    with pytest.raises(RuntimeError, match="no mask refiner 'sam'"):
        make(masks="sam")
    with pytest.raises(RuntimeError, match="no model"):
        VotTracker("nothing_of_this_name")


@pytest.mark.parametrize("name", ["", ":", "json:", "json:nothing", "nowhere_at_all:make", "json.loads"])
def test_refiners_that_are_not_there(name):
    with pytest.raises(ConfigError, match="module:factory"):
        load_refiner(name)
