"""The tracker's contract, with an engine that sees red squares and with a tiny real network."""

import json
import math

import numpy as np
import pytest

import mixformer
from mixformer.configs.model import ModelConfig
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.engines import Runtime, create_engine
from mixformer.errors import BoxError, CheckpointError, ConfigError, FrameError, OutputError, SourceError, StateError
from mixformer.tracking import Tracker, TrackState
from mixformer.tracking.adapters import OpenCVTracker
from mixformer.tracking.template_update import TemplateBuffer
from mixformer.types import Box, EngineOutput, TrackResult
from tests.helpers.clips import moving_square

CONFIG = ModelConfig("red", depth=1, dim=64, heads=1, patch_size=16, search_size=64, template_size=32, bins=16)
RULES = TrackerConfig(search_factor=4.0, update_interval=4, online_templates=3)


class RedEngine:
    """Finds the red part of the search crop; its memory is the templates themselves."""

    def __init__(self, scores=None):
        self.config, self.scores = CONFIG, scores
        self.remembered, self.located = [], 0

    def remember(self, templates):
        self.remembered.append(templates)
        return templates

    def locate(self, search, memory):
        score = self.scores(self.located) if callable(self.scores) else 3.0
        self.located += 1
        rows, columns = np.nonzero((search[0, ..., 0] > 140) & (search[0, ..., 2] < 120))
        if len(rows) == 0:
            return EngineOutput(np.array([[0.5, 0.5, 0.2, 0.2]]), np.array([-3.0]))
        x1, x2, y1, y2 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        box = np.array([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]]) / search.shape[1]
        return EngineOutput(box, None if self.scores == "none" else np.array([score]))


def follow(tracker, frames):
    return [tracker.update(frame) for frame in frames]


def test_a_square_is_followed():
    frames, boxes = moving_square(25)
    tracker = Tracker(RedEngine(), RULES)
    first = tracker.init(frames[0], boxes[0])
    assert first == mixformer.TrackResult(Box(*boxes[0]), 1.0, 0, is_initial=True)
    for index, result in enumerate(follow(tracker, frames[1:]), 1):
        np.testing.assert_allclose(result.box, boxes[index], atol=2.5)
        assert result.frame == index
        assert result.template_updated == (index % 4 == 0)
        assert 0.95 < result.score < 0.96
        assert result.crop_box is not None


def test_an_engine_that_allows_no_weak_references():
    class Bare:
        __slots__ = ("config", "locate", "remember")

        def __init__(self, engine):
            self.config, self.locate, self.remember = engine.config, engine.locate, engine.remember

    frames, boxes = moving_square(5)
    seeing = RedEngine()
    tracker = Tracker(Bare(seeing), RULES)
    tracker.init(frames[0], boxes[0])
    tracker.state = tracker.state  # the memory stays that of this engine
    np.testing.assert_allclose(follow(tracker, frames[1:])[-1].box, boxes[4], atol=2.5)
    assert len(seeing.remembered) == 2


def test_templates_are_encoded_only_when_they_change():
    frames, boxes = moving_square(25)
    engine = RedEngine()
    tracker = Tracker(engine, RULES)
    tracker.init(frames[0], boxes[0])
    follow(tracker, frames[1:21])
    assert [t.shape[1] for t in engine.remembered] == [2, 3, 4, 4, 4, 4]
    still = RedEngine()
    tracker = Tracker(still, RULES.replace(online_templates=1))
    tracker.init(frames[0], boxes[0])
    still.scores = lambda _: -9.0  # never confident: the initial template is committed again and again
    results = follow(tracker, frames[1:21])
    assert sum(r.template_updated for r in results) == 5
    assert len(still.remembered) == 1


def test_a_candidate_is_the_crop_at_its_own_frame():
    frames, boxes = moving_square(6)
    engine = RedEngine(lambda call: 5.0 if call == 1 else 1.0)  # frame 2 is the best
    tracker = Tracker(engine, RULES)
    tracker.init(frames[0], boxes[0])
    results = follow(tracker, frames[1:5])
    fresh = Tracker(RedEngine(), RULES)
    fresh.init(frames[2], results[1].box)
    np.testing.assert_array_equal(engine.remembered[-1][0, 2], fresh.state.templates[0])


def test_a_model_without_score_never_updates():
    frames, boxes = moving_square(12)
    engine = RedEngine("none")
    tracker = Tracker(engine, RULES)
    tracker.init(frames[0], boxes[0])
    results = follow(tracker, frames[1:])
    assert {r.score for r in results} == {None}
    assert not any(r.template_updated for r in results)
    assert len(engine.remembered) == 1


@pytest.fixture(scope="module")
def engine(tiny_model):
    return create_engine(tiny_model, runtime=Runtime(device="cpu"))


@pytest.mark.parametrize("where", ["value", "file"])
@pytest.mark.parametrize("at", [1, 5, 11])
def test_a_state_kept_or_saved_goes_on_the_same_way(engine, tmp_path, where, at):
    rules = RULES.replace(score_threshold=0.0)
    frames, boxes = moving_square(20)
    tracker = Tracker(engine, rules)
    tracker.init(frames[0], boxes[0])
    follow(tracker, frames[1:at])
    state = tracker.state
    expected = follow(tracker, frames[at:])
    if where == "file":
        state.save(tmp_path / "state.npz")
        state = TrackState.load(tmp_path / "state.npz")
    other = Tracker(engine, rules)
    other.state = state
    assert follow(other, frames[at:]) == expected
    assert any(r.template_updated for r in expected)


def test_a_state_of_mixformer_0_1_is_still_read(tmp_path):
    templates = np.arange(2 * 8 * 8 * 3, dtype=np.uint16).astype(np.uint8).reshape(2, 8, 8, 3)
    header = {"format": 1, "box": [1, 2, 3, 4], "frame_index": 7, "frame_size": [90, 120], "ring": [0.75, 1, 0]}
    candidate = np.full((5, 5, 3), 9, np.uint8)
    np.savez_compressed(
        tmp_path / "old.npz", header=np.array(json.dumps(header)), templates=templates, candidate=candidate
    )
    with pytest.warns(DeprecationWarning, match="save it again for template_buffer") as warned:
        state = TrackState.load(tmp_path / "old.npz")
    assert len(warned) == 1
    assert (state.box, state.frame_index, state.frame_size) == ((1, 2, 3, 4), 7, (90, 120))
    assert state.template_buffer == TemplateBuffer(0.75, 1, 0)
    assert np.array_equal(state.templates, templates)
    assert np.array_equal(state.candidate_crop, candidate)
    state.save(tmp_path / "new.npz")
    again = TrackState.load(tmp_path / "new.npz")
    assert (again.box, again.template_buffer) == (state.box, state.template_buffer)


def test_old_attribute_names_are_still_read():
    result = TrackResult(Box(1, 2, 3, 4), 0.5, 3, crop_box=(0.5, 0.5, 0.1, 0.1))
    state = TrackState(Box(1, 2, 3, 4), 0, (9, 9), np.zeros((2, 8, 8, 3), np.uint8))
    for value, old, new in (
        (result, "frame_index", "frame"),
        (result, "raw", "crop_box"),
        (state, "ring", "template_buffer"),
        (state, "candidate", "candidate_crop"),
    ):
        with pytest.warns(DeprecationWarning, match=f"{old} is now called .*{new}"):
            assert getattr(value, old) is getattr(value, new)


def test_a_name_a_network_and_an_engine_track_alike(engine, tiny_model):
    frames, boxes = moving_square(5)

    def boxes_of(model):
        tracker = Tracker(model, RULES, runtime=Runtime(device="cpu"))
        tracker.init(frames[0], boxes[0])
        return follow(tracker, frames[1:])

    assert boxes_of(str(tiny_model)) == boxes_of(mixformer.load_model(tiny_model)) == boxes_of(engine)


def test_two_targets_from_one_engine_do_not_mix(engine):
    frames, boxes = moving_square(10)
    alone = Tracker(engine, RULES)
    alone.init(frames[0], boxes[0])
    expected = follow(alone, frames[1:])
    first, second = Tracker(engine, RULES), Tracker(engine, RULES)
    first.init(frames[0], boxes[0])
    second.init(frames[0], (60, 50, 30, 20))
    found = []
    for frame in frames[1:]:
        second.update(frame)
        found.append(first.update(frame))
    assert found == expected


def test_bad_state_files(tmp_path, engine):
    path = tmp_path / "state.npz"
    for content in (b"", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="not a tracker state"):
            TrackState.load(path)
    np.savez(path, header=np.array({"a": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError):
        TrackState.load(path)
    with pytest.raises(CheckpointError):
        TrackState.load(tmp_path / "missing.npz")
    tracker = Tracker(engine, RULES)
    tracker.init(*(part[0] for part in moving_square(1)))
    with pytest.raises(OutputError, match="state"):
        tracker.state.save(path / "below a file.npz")
    other = Tracker(RedEngine(), RULES)
    other.engine.config = CONFIG.replace(template_size=64)
    with pytest.raises(StateError, match="use the model that the state was made with"):
        other.state = tracker.state


def test_update_before_init():
    with pytest.raises(StateError, match="init"):
        Tracker(RedEngine(), RULES).update(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(StateError, match="init"):
        _ = Tracker(RedEngine(), RULES).state


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((90, 120, 3), np.float32), "uint8"),
        (np.zeros((90, 120, 3), np.uint16), "uint8"),
        (np.zeros((90, 120, 2), np.uint8), "shape"),
        (np.zeros((3, 90, 120), np.uint8), "channels come last"),
        (np.zeros((0, 120, 3), np.uint8), "empty"),
        (np.zeros(7, np.uint8), "shape"),
        ([[1, 2], [3, 4]], "numpy array"),
        (None, "numpy array"),
        (np.zeros((91, 120, 3), np.uint8), "changed from 120 x 90"),
    ],
)
def test_frames_that_cannot_be_used_leave_the_state(frame, message):
    frames, boxes = moving_square(3)
    tracker = Tracker(RedEngine(), RULES)
    tracker.init(frames[0], boxes[0])
    before = tracker.state
    with pytest.raises(FrameError, match=message):
        tracker.update(frame)
    assert tracker.state is before
    tracker.update(frames[1])


def test_grey_alpha_and_bgr_frames(engine):
    frames, boxes = moving_square(4)
    reference = Tracker(engine, RULES)
    reference.init(frames[0], boxes[0])
    expected = [r.box for r in follow(reference, frames[1:])]

    def boxes_of(tracker, change):
        tracker.init(change(frames[0]), boxes[0])
        return [tracker.update(change(frame)).box for frame in frames[1:]]

    assert boxes_of(Tracker(engine, RULES, color="bgr"), lambda f: f[..., ::-1]) == expected
    assert boxes_of(Tracker(engine, RULES), lambda f: np.dstack([f, f[..., :1]])) == expected
    assert boxes_of(Tracker(engine, RULES), lambda f: f[..., ::-1]) != expected
    gray = boxes_of(Tracker(engine, RULES), lambda f: f[..., 0])
    assert gray == boxes_of(Tracker(engine, RULES), lambda f: f[..., :1])
    assert gray == boxes_of(Tracker(engine, RULES), lambda f: np.repeat(f[..., :1], 3, 2))


def test_a_new_frame_size_may_rescale_the_box():
    frames, boxes = moving_square(6)
    tracker = Tracker(RedEngine(), RULES, on_resize="rescale")
    tracker.init(frames[0], boxes[0])
    tracker.update(frames[1])
    twice = np.repeat(np.repeat(frames[2], 2, 0), 2, 1)
    np.testing.assert_allclose(tracker.update(twice).box, np.array(boxes[2]) * 2, atol=4)
    assert tracker.state.frame_size == (180, 240)


@pytest.mark.parametrize(
    "box", [(-10, -10, 30, 30), (110, 80, 40, 40), (50, 40, 1, 1), (0, 0, 120, 90), (-500, -500, 2000, 2000)]
)
def test_boxes_at_the_border_tiny_and_huge(engine, box):
    frames, _ = moving_square(4)
    tracker = Tracker(engine, RULES)
    assert tracker.init(frames[0], box).box == Box(*box)
    for result in follow(tracker, frames[1:]):
        assert all(math.isfinite(v) for v in result.box)
        assert result.box.w >= 10
        assert result.box.h >= 10


@pytest.mark.parametrize("box", [(math.nan, 1, 2, 3), (1, 2, 0, 3), (200, 10, 5, 5), (1, 2, 3), "1234x"])
def test_boxes_that_cannot_be_tracked_leave_the_state(box):
    frames, boxes = moving_square(2)
    tracker = Tracker(RedEngine(), RULES)
    tracker.init(frames[0], boxes[0])
    before = tracker.state
    with pytest.raises(BoxError):
        tracker.init(frames[0], box)
    assert tracker.state is before


def test_a_prediction_that_is_no_number_keeps_the_box():
    frames, boxes = moving_square(3)
    engine = RedEngine()
    tracker = Tracker(engine, RULES)
    tracker.init(frames[0], boxes[0])
    engine.locate = lambda search, memory: EngineOutput(np.full((1, 4), np.nan), np.array([2.0]))
    result = tracker.update(frames[1])
    assert result.box == Box(*boxes[0])
    assert result.score == 0.0


def test_wrong_settings(tiny_model):
    for arguments in (
        {"color": "hsv"},
        {"on_resize": "guess"},
        {"preset": "lasot", "config": RULES},
        {"preset": "lasot"},
    ):
        with pytest.raises(ConfigError):
            Tracker(RedEngine(), **arguments)
    with pytest.raises(ConfigError, match="unknown device"):
        Tracker(tiny_model, runtime=Runtime(device="tpu9"))
    with pytest.raises(CheckpointError):
        Tracker("no_such_model")


def test_the_call_shape_of_opencv():
    frames, boxes = moving_square(5)
    tracker = OpenCVTracker(RedEngine(lambda call: 3.0 if call < 2 else -9.0), RULES.replace(lost_after=1))
    tracker.init(np.ascontiguousarray(frames[0][..., ::-1]), boxes[0])
    answers = [tracker.update(frame[..., ::-1]) for frame in frames[1:4]]
    assert [ok for ok, _ in answers] == [True, True, False]
    np.testing.assert_allclose(answers[1][1], boxes[2], atol=2.5)


def test_track_over_arrays_and_files(clip, tiny_model):
    frames, boxes = moving_square(20)
    results = list(mixformer.track(frames, boxes[3], model=RedEngine(), config=RULES, start=3, stop=8))
    assert [r.frame for r in results] == [3, 4, 5, 6, 7]
    np.testing.assert_allclose(results[-1].box, boxes[7], atol=2.5)
    from_file = list(mixformer.track(clip, boxes[0], model=RedEngine(), config=RULES))
    assert len(from_file) == 20
    assert from_file[5].time == pytest.approx(0.2)
    np.testing.assert_allclose(from_file[-1].box, boxes[-1], atol=3)


@pytest.mark.parametrize("source", [float("nan"), 3.5, None, True, np.zeros(()), object()])
def test_what_is_no_source_is_said_at_once(source):
    """Torture row 22."""
    with pytest.raises(SourceError, match="a source must be a path"):
        mixformer.track(source, (1, 2, 30, 40), model=RedEngine())


@pytest.mark.parametrize("options", [{"start": []}, {"start": "x"}, {"stop": "[red]"}, {"stop": 1.5}, {"start": -1}])
def test_what_is_no_range_of_frames_is_said_at_once(options):
    """Torture row 22."""
    frames, boxes = moving_square(4)
    with pytest.raises(SourceError, match=r"whole number|no frames to read"):
        mixformer.track(frames, boxes[0], model=RedEngine(), **options)


def test_ranges_beyond_any_video():
    """Torture row 22: numbers that no counter holds."""
    frames, boxes = moving_square(4)
    assert len(list(mixformer.track(frames, boxes[0], model=RedEngine(), stop=10**400))) == 4
    assert not list(mixformer.track(frames, boxes[0], model=RedEngine(), start=10**400))
