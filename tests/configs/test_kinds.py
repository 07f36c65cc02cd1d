"""Settings, frames and boxes of a wrong kind are refused by typed errors (C10, C3)."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from mixformer import Box, ModelConfig, MultiTracker, Runtime, Tracker, TrackerConfig, create_engine
from mixformer.errors import BoxError, ConfigError, FrameError, StateError
from mixformer.imaging import as_rgb, parse_box

HUGE = 10**5000


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Runtime, {"threads": "2"}),
        (Runtime, {"threads": 1.5}),
        (Runtime, {"threads": True}),
        (Runtime, {"threads": [None]}),
        (Runtime, {"device": None}),
        (Runtime, {"engine": -1}),
        (Runtime, {"engine": ["torch"]}),
        (Runtime, {"precision": 16}),
        (TrackerConfig, {"search_factor": "x"}),
        (TrackerConfig, {"search_factor": None}),
        (TrackerConfig, {"search_factor": float("inf")}),
        (TrackerConfig, {"search_factor": float("nan")}),
        (TrackerConfig, {"search_factor": 1e9}),
        (TrackerConfig, {"search_factor": 1e-320}),
        (TrackerConfig, {"search_factor": HUGE}),
        (TrackerConfig, {"template_factor": []}),
        (TrackerConfig, {"template_factor": 1e5}),
        (TrackerConfig, {"margin": 1e300}),
        (TrackerConfig, {"update_interval": "often"}),
        (TrackerConfig, {"update_interval": HUGE}),
        (TrackerConfig, {"online_templates": 10**9}),
        (TrackerConfig, {"update": 3}),
        (TrackerConfig, {"update": []}),
        (ModelConfig, {"name": "a", "depth": "4"}),
        (ModelConfig, {"name": "a", "depth": 4, "mlp_ratio": float("inf")}),
        (ModelConfig, {"name": "a", "depth": 4, "std": (HUGE, 1.0, 1.0)}),
        (ModelConfig, {"name": "a", "depth": 4, "early_dims": 3}),
    ],
)
def test_c10_values_of_a_wrong_kind(kind, values):
    """C10: `threads="2"`, `device=None` and `TrackerConfig(search_factor="x")` gave untyped errors."""
    with pytest.raises(ConfigError) as error:
        kind(**values)
    assert len(str(error.value)) < 400
    with pytest.raises(ConfigError):
        kind.from_dict(values)


def test_numbers_of_other_libraries_and_lists_are_taken():
    config = TrackerConfig(search_factor=np.float32(4.5), update_interval=np.int64(3))
    assert config == TrackerConfig(search_factor=4.5, update_interval=3)
    assert type(config.search_factor) is float
    assert ModelConfig("a", 4, mean=[0.0, 0.0, 0.0]).mean == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["unknown", "x" * 70_000])
def test_unknown_fields_are_named_and_long_names_are_cut(name):
    with pytest.raises(ConfigError, match="has no field") as error:
        TrackerConfig().replace(**{name: 1})
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": None},
        {"model": 1e308},
        {"model": Tracker},
        {"config": "x"},
        {"config": {"search_factor": 4.0}},
        {"preset": 3},
        {"runtime": "cpu"},
        {"runtime": None},
        {"color": 1},
        {"on_resize": None},
    ],
)
@pytest.mark.parametrize("kind", [Tracker, MultiTracker])
def test_c10_trackers_of_wrong_arguments(kind, arguments):
    with pytest.raises(ConfigError):
        kind(**arguments)


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
def test_c10_numbers_of_targets(count):
    with pytest.raises(ConfigError, match="max_targets"):
        MultiTracker(max_targets=count)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "could be read"),
        (PillowImage.new("RGB", (4, 4)), "numpy.asarray"),
        ("frame.png", "not str"),
        ([[1, 2], [3, 4]], "not list"),
        (np.ma.masked_array(np.zeros((4, 4, 3), np.uint8)), "masked"),
        (np.zeros((4, 4, 3)), "uint8"),
        (np.zeros((4, 4, 3), object), "uint8"),
        (np.zeros((4, 4, 3), "datetime64[s]"), "uint8"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
    ],
)
def test_c10_frames_of_a_wrong_kind(frame, message):
    with pytest.raises(FrameError, match=message):
        as_rgb(frame)


def test_a_mapped_file_is_a_frame(tmp_path):
    mapped = np.memmap(tmp_path / "frame", np.uint8, "w+", shape=(4, 4, 3))
    assert type(as_rgb(mapped)) is np.ndarray


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 1e9, 1e9),
        (0, 0, 1e-320, 1e-320),
        (0, 0, 1e-5, 50),
        (1e300, 0, 10, 10),
        (0, 0, 2**63, 10),
        (0, 0, HUGE, 10),
        (0, 0, float("inf"), 10),
        (0, 0, 10),
        "box",
        None,
        5,
    ],
)
def test_c3_boxes_that_no_picture_has(box):
    """C3: `--box 0 0 1e9 1e9` asked for 71 GiB."""
    with pytest.raises(BoxError) as error:
        parse_box(box)
    assert len(str(error.value)) < 300


def test_c10_ids_and_states_of_a_wrong_kind(tiny_model):
    engine = create_engine(str(tiny_model))
    frame = np.zeros((90, 120, 3), np.uint8)
    tracker = MultiTracker(engine)
    for work in (
        lambda: tracker.add(frame, (1, 1, 20, 20), id=[1]),
        lambda: tracker.remove([1]),
        lambda: tracker.restore(None),
        lambda: setattr(Tracker(engine), "state", "state"),
    ):
        with pytest.raises(StateError):
            work()
    one = Tracker(engine)
    one.init(frame, (1, 1, 20, 20))
    with pytest.raises(BoxError):
        one.state = one.state.__class__(Box(0, 0, 1e30, 1e30), 0, (90, 120), one.state.templates)
