"""Several targets at once: the boxes of single trackers, whoever comes and goes."""

import numpy as np
import pytest

import mixformer
from mixformer.configs.model import ModelConfig
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Runtime, create_engine
from mixformer.errors import BoxError, ConfigError, FrameError, StateError
from mixformer.tracking import MultiTracker, Tracker, TrackState
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from tests.helpers.clips import moving_square

RULES = TrackerConfig(search_factor=4.0, update_interval=3, online_templates=3, score_threshold=0.0)
SQUARE, CORNER, MIDDLE, EDGE = (10, 30, 20, 20), (60, 50, 30, 20), (40, 20, 25, 40), (-5, 60, 24, 24)


@pytest.fixture(scope="module")
def engine(tiny_model):
    return create_engine(tiny_model, runtime=Runtime(device="cpu", engine="torch"))


def alone(engine, frames, box, rules=RULES, **options):
    """Results of a tracker of its own."""
    tracker = Tracker(engine, rules, **options)
    tracker.init(frames[0], box)
    return [tracker.update(frame) for frame in frames[1:]]


def assert_alike(found, expected):
    """Equal to rounding, and equal in every decision."""
    assert [(r.frame, r.template_updated) for r in found] == [(r.frame, r.template_updated) for r in expected]
    np.testing.assert_allclose([r.box for r in found], [r.box for r in expected], atol=1e-3)
    np.testing.assert_allclose([r.score for r in found], [r.score for r in expected], atol=1e-5)


class Counting:
    """An engine that counts what is asked of the one behind it."""

    def __init__(self, engine):
        self.engine, self.config = engine, engine.config
        self.remembered, self.located, self.joined = [], [], 0

    def remember(self, templates):
        self.remembered.append(templates.shape)
        return self.engine.remember(templates)

    def locate(self, search, memory):
        self.located.append(len(search))
        return self.engine.locate(search, memory)

    def join(self, memories):
        self.joined += 1
        return self.engine.join(memories)


@pytest.mark.parametrize("max_targets", [None, 5])
def test_boxes_are_those_of_single_trackers_whoever_comes_and_goes(engine, max_targets):
    frames, _ = moving_square(22)
    tracker = MultiTracker(engine, RULES, max_targets=max_targets)
    found = {}
    plan = {0: [("a", SQUARE), ("b", CORNER)], 4: [("c", MIDDLE)], 9: [("d", EDGE)], 13: [("e", CORNER)]}
    for index, frame in enumerate(frames):
        if index == 9:
            tracker.remove("b")
        for id, result in tracker.update(frame).items():
            found.setdefault(id, []).append(result)
        for id, box in plan.get(index, ()):
            assert tracker.add(frame, box, id) == id
    assert tracker.ids == ("a", "d", "c", "e")  # the slot of "b" has been used again
    assert len(tracker) == 4
    starts = {id: (index, box) for index, targets in plan.items() for id, box in targets}
    for id, (start, box) in starts.items():
        expected = alone(engine, frames[start:], box)
        assert_alike(found[id], expected[: len(found[id])])
    assert any(r.template_updated for r in found["d"])
    assert [len(found[id]) for id in "abcde"] == [21, 8, 17, 12, 8]


def test_one_call_for_all_and_only_changed_templates_are_encoded(engine):
    frames, _ = moving_square(9)
    counting = Counting(engine)
    tracker = MultiTracker(counting, RULES.replace(online_templates=1, update_interval=4))
    for box in (SQUARE, CORNER, MIDDLE):
        tracker.add(frames[0], box)
    for frame in frames[1:4]:
        tracker.update(frame)
    tracker.remove(2)
    assert tracker.add(frames[3], EDGE) == 4  # ids are not used again, slots are
    assert tracker.ids == (1, 4, 3)
    assert counting.joined == 1
    results = tracker.update(frames[4])  # the first and the third commit a template, the new one does not
    assert [id for id, result in results.items() if result.template_updated] == [1, 3]
    assert counting.located == [3, 3, 3, 3]
    size = engine.config.template_size
    assert counting.remembered == [(1, 2, size, size, 3)] * 6
    tracker.update(frames[5])
    tracker.update(frames[6])
    assert counting.joined == 3  # after the newcomer, and after the update


def test_a_fixed_number_of_slots_is_a_fixed_batch(engine):
    frames, _ = moving_square(4)
    counting = Counting(engine)
    tracker = MultiTracker(counting, RULES, max_targets=3)
    assert tracker.update(frames[0]) == {}
    assert counting.located == []
    tracker.add(frames[0], SQUARE, "a")
    tracker.update(frames[1])
    tracker.add(frames[1], CORNER, "b")
    tracker.add(frames[1], MIDDLE, "c")
    tracker.update(frames[2])
    assert counting.located == [3, 3]
    with pytest.raises(StateError, match="already has max_targets=3"):
        tracker.add(frames[2], EDGE)
    tracker.remove("a")
    tracker.add(frames[2], EDGE)
    with pytest.raises(ConfigError, match="max_targets"):
        MultiTracker(engine, RULES, max_targets=0)


def test_states_go_from_one_tracker_to_another(engine, tmp_path):
    frames, _ = moving_square(14)
    single = Tracker(engine, RULES)
    single.init(frames[0], SQUARE)
    for frame in frames[1:6]:
        single.update(frame)
    single.state.save(tmp_path / "state.npz")
    many = MultiTracker(engine, RULES)
    many.restore(TrackState.load(tmp_path / "state.npz"), "a")
    many.add(frames[5], CORNER, "b")
    for frame in frames[6:10]:
        many.update(frame)
    single.state = many.remove("a")
    found = [single.update(frame) for frame in frames[10:]]
    assert_alike(found, alone(engine, frames, SQUARE)[9:])
    assert many.state("b").frame_index == 4
    other = ModelConfig("other", depth=1, dim=64, heads=1, patch_size=16, search_size=64, template_size=64, bins=16)
    fake = Counting(engine)
    fake.config = other
    with pytest.raises(StateError, match="use the model that the state was made with"):
        MultiTracker(fake, RULES).restore(single.state)


def test_frames_of_another_size(engine):
    frames, _ = moving_square(8)
    frames[4:] = [np.repeat(np.repeat(frame, 2, 0), 2, 1) for frame in frames[4:]]
    strict = MultiTracker(engine, RULES)
    strict.add(frames[0], SQUARE, "a")
    before = strict.state("a")
    with pytest.raises(FrameError, match="changed from 120 x 90"):
        strict.update(frames[4])
    assert strict.state("a") is before
    tracker = MultiTracker(engine, RULES, on_resize="rescale")
    found = {"a": [], "b": []}
    tracker.add(frames[0], SQUARE, "a")
    tracker.add(frames[0], CORNER, "b")
    for frame in frames[1:]:
        for id, result in tracker.update(frame).items():
            found[id].append(result)
    for id, box in (("a", SQUARE), ("b", CORNER)):
        assert_alike(found[id], alone(engine, frames, box, on_resize="rescale"))


def test_targets_of_several_videos_in_one_batch(engine):
    first, _ = moving_square(10)
    second, _ = moving_square(7, height=70, width=150)
    counting = Counting(engine)
    tracker = MultiTracker(counting, RULES)
    tracker.add(first[0], SQUARE, ("x", 1))
    tracker.add(second[0], CORNER, ("y", 1))
    found = {("x", 1): [], ("y", 1): []}
    for index in range(1, 10):
        frames = {("x", 1): first[index]} | ({("y", 1): second[index]} if index < 7 else {})
        for id, result in tracker.update_each(frames).items():
            found[id].append(result)
    assert counting.located == [2] * 6 + [1] * 3
    assert_alike(found["x", 1], alone(engine, first, SQUARE))
    assert_alike(found["y", 1], alone(engine, second, CORNER))
    with pytest.raises(StateError, match=r"no target \('z', 1\)"):
        tracker.update_each({("z", 1): first[0]})


def test_what_goes_wrong_leaves_the_others(engine):
    frames, _ = moving_square(6)
    tracker = MultiTracker(engine, RULES)
    tracker.add(frames[0], SQUARE, "a")
    before = tracker.state("a")
    for box in ((500, 10, 20, 20), (10, 10, 0, 5), (1, 2, 3)):
        with pytest.raises(BoxError):
            tracker.add(frames[0], box, "b")
    with pytest.raises(FrameError):
        tracker.add(frames[0].astype(float), CORNER, "b")
    with pytest.raises(StateError, match="there is already a target 'a'"):
        tracker.add(frames[0], CORNER, "a")
    for forget in (tracker.remove, tracker.state):
        with pytest.raises(StateError, match="there is no target 'b'; there are: 'a'"):
            forget("b")
    with pytest.raises(FrameError):
        tracker.update(frames[1][:, :, :2])
    assert tracker.ids == ("a",)
    assert "b" not in tracker
    assert tracker.state("a") is before
    assert_alike([tracker.update(frame)["a"] for frame in frames[1:]], alone(engine, frames, SQUARE))
    tracker.remove("a")
    assert tracker.update(frames[0]) == {}
    assert tracker.ids == ()  # type: ignore[comparison-overlap]


def test_it_is_public_and_takes_a_name(tiny_model):
    frames, boxes = moving_square(3)
    tracker = mixformer.MultiTracker(
        str(tiny_model), color="bgr", runtime=mixformer.Runtime(device="cpu", engine="torch")
    )
    assert tracker.add(frames[0][..., ::-1], boxes[0]) == 1
    assert list(tracker.update(frames[1][..., ::-1])) == [1]
    with pytest.raises(ConfigError, match="not both"):
        mixformer.MultiTracker(str(tiny_model), RULES, preset="lasot")


@pytest.mark.parametrize("frames", [6, pytest.param(53, marks=pytest.mark.sweep)])
def test_the_shipped_model_on_real_pictures(frames):
    engine = create_engine(DEFAULT_MODEL, runtime=Runtime(device="cpu", engine="torch"))
    rules = TrackerConfig(search_factor=4.0, update_interval=5)
    with mixformer.open_video(DEMO_CLIP, 0, frames) as video:
        images = [frame.image for frame in video]
    tracker = MultiTracker(engine, rules)
    boxes = {"orange": DEMO_BOX, "left": (120, 60, 50, 120), "top": (300, 10, 60, 60)}
    found = {name: [] for name in boxes}
    for index, image in enumerate(images):
        if index == 40:
            tracker.remove("left")
        for name, result in tracker.update(image).items():
            found[name].append(result)
        if index in (0, 3):
            for name in ("orange", "left") if index == 0 else ("top",):
                tracker.add(image, boxes[name], name)
    for name, start in (("orange", 0), ("left", 0), ("top", 3)):
        expected = alone(engine, images[start:], boxes[name], rules)[: len(found[name])]
        assert [r.template_updated for r in found[name]] == [r.template_updated for r in expected]
        np.testing.assert_allclose([r.box for r in found[name]], [r.box for r in expected], atol=0.02)
        np.testing.assert_allclose([r.score for r in found[name]], [r.score for r in expected], atol=1e-3)
