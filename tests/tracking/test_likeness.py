"""The comparison of what a box shows with the initial template, and what it does to score and status."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from mixformer.configs.presets import DEFAULT_TRACKERS
from mixformer.configs.runtime import Runtime
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.engines import create_engine
from mixformer.engines.describing import middle_block
from mixformer.errors import ConfigError
from mixformer.tracking import MultiTracker, Tracker, TrackState
from mixformer.tracking.likeness import likeness
from tests.tracking.test_lost import CONFIG, SIZE, RedEngine, clip

COMPARING = TrackerConfig(search_factor=4.0, update="never", rules="careful", likeness_weight=10, likeness_interval=3)
PLACES = [(100, 100)] * 30


class Seeing(RedEngine):
    """Finds any bright square, red or not, and describes a template by the colors of its places."""

    def __init__(self):
        super().__init__()
        self.described = 0

    def describe(self, template):
        self.described += 1
        middle = template[8:24, 8:24].reshape(2, 8, 2, 8, 3).mean((1, 3))  # the target, at the four tokens
        return (middle.reshape(4, 3) - 128.0) / 128

    def _find(self, crop):
        return super()._find(np.where(crop.max(2, keepdims=True) > 140, np.array([230, 60, 20], np.uint8), crop))


def frames_with_an_impostor(since=12):
    """A red square, and from a frame on a blue one at its place."""
    frames = clip(PLACES)
    for frame in frames[since:]:
        frame[100 : 100 + SIZE, 100 : 100 + SIZE] = (20, 60, 230)
    return frames


def follow(config=COMPARING, engine=None, frames=None):
    frames, tracker = frames or frames_with_an_impostor(), Tracker(engine or Seeing(), config)
    tracker.init(frames[0], (*PLACES[0], SIZE, SIZE))
    return tracker, [tracker.update(frame) for frame in frames[1:]]


def test_likeness_is_the_mean_cosine_on_the_target():
    first = np.tile([1.0, 0.0], (16, 1))
    other = first.copy()
    other[[5, 6]] = [0.0, 3.0]  # two of the four places in the middle
    assert likeness(first, first * 5) == pytest.approx(1)
    assert likeness(first, other) == pytest.approx(0.5)
    other[[0, 3, 12, 15]] = [-1.0, 0.0]  # corners show the ground
    assert likeness(first, other) == pytest.approx(0.5)
    assert likeness(first, first * np.nan) == 1.0


def test_another_object_at_the_place_of_the_target_is_not_it():
    tracker, results = follow()
    assert {r.status for r in results[:11]} == {"tracking"}
    assert min(r.score for r in results[:11]) > 0.9
    assert results[-1].status == "lost"
    assert results[-1].score < 0.1
    assert tracker.state.presence.likeness < 0.5
    assert results[-1].box == pytest.approx((100, 100, SIZE, SIZE), abs=2)  # the box follows the network all the same


@pytest.mark.parametrize("change", [{"likeness_weight": 0.0}, {"rules": "official"}])
def test_without_comparison_the_score_alone_counts(change):
    engine = Seeing()
    _, results = follow(COMPARING.replace(**change), engine)
    assert {r.status for r in results} == {"tracking"}
    assert engine.described == 0


def test_engines_without_a_description_track_as_before():
    _, results = follow(COMPARING, RedEngine(), clip(PLACES))
    assert {r.status for r in results} == {"tracking"}


def test_a_sure_target_is_compared_now_and_then():
    engine = Seeing()
    follow(COMPARING.replace(likeness_interval=10), engine, clip(PLACES))
    assert engine.described == 1 + 2  # the first template, frames 10 and 20


@pytest.mark.parametrize("through", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s)), "file"])
def test_a_state_that_was_kept_has_the_same_future(tmp_path, through):
    frames, tracker = frames_with_an_impostor(), Tracker(Seeing(), COMPARING)
    tracker.init(frames[0], (*PLACES[0], SIZE, SIZE))
    for frame in frames[1:16]:
        tracker.update(frame)
    kept = tracker.state
    whole = [tracker.update(frame) for frame in frames[16:]]
    if through == "file":
        kept.save(tmp_path / "state.npz")
        tracker.state = TrackState.load(tmp_path / "state.npz")
    else:
        tracker.state = through(kept)
    assert [tracker.update(frame) for frame in frames[16:]] == whole


def test_several_targets_are_compared_like_one():
    frames = frames_with_an_impostor()
    _, alone = follow()
    together = MultiTracker(Seeing(), COMPARING)
    for name in ("a", "b"):
        together.add(frames[0], (*PLACES[0], SIZE, SIZE), name)
    for frame, expected in zip(frames[1:], alone, strict=True):
        assert set(together.update(frame).values()) == {expected}


def test_engines_describe_alike():
    template = np.random.default_rng(3).integers(0, 256, (98, 98, 3), dtype=np.uint8)
    engines: list[Any] = [
        create_engine(DEFAULT_MODEL, runtime=Runtime(engine=name, precision="float32"))
        for name in ("torch", "onnx", "openvino")
    ]
    expected, *others = (engine.describe(template) for engine in engines)
    assert expected.shape == (49, 384)
    for found in others:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert likeness(expected, engines[0].describe(255 - template)) < 0.9


def test_a_network_that_remembers_nothing_describes_nothing():
    with pytest.raises(ConfigError, match="likeness_weight"):
        middle_block(CONFIG.replace(attention="symmetric"))


@pytest.mark.parametrize("config", [CONFIG.replace(attention="symmetric"), MODELS["mixcvt"]])
def test_comparing_what_cannot_be_compared_is_refused_when_the_tracker_is_made(config):
    """It was found at the first comparison, which may be minutes into a video."""
    engine = Seeing()
    engine.config = config
    for make in (Tracker, MultiTracker):
        with pytest.raises(ConfigError, match="cannot describe templates; set likeness_weight to 0"):
            make(engine, COMPARING)
    Tracker(engine, COMPARING.replace(likeness_weight=0))
    Tracker(engine, COMPARING.replace(rules="official"))  # compares nothing


def test_only_the_included_model_compares_by_default():
    assert {name for name, each in DEFAULT_TRACKERS.items() if each.likeness_weight} == {DEFAULT_MODEL}
    for wrong in ({"likeness_weight": -1}, {"likeness_usual": 2}, {"likeness_interval": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            TrackerConfig(**wrong)
