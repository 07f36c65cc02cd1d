"""A target that goes away: what is said, what waits, and how it is found again."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from mixformer.configs.model import ModelConfig
from mixformer.configs.presets import DEFAULT_TRACKERS, tracker_config
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.errors import ConfigError
from mixformer.imaging.crop import crop_target
from mixformer.tracking import MultiTracker, OpenCVTracker, Tracker, TrackState
from mixformer.tracking.careful import is_cut, thumbnail, windows_to_search
from mixformer.tracking.presence import Presence, judge
from mixformer.tracking.proposals import propose
from mixformer.types import Box, EngineOutput, TrackResult
from mixformer.video import Annotator
from mixformer.video.output_formats import OUTPUT_FORMATS

CONFIG = ModelConfig("red", depth=1, dim=64, heads=1, patch_size=16, search_size=64, template_size=32, bins=16)
CAREFUL = TrackerConfig(search_factor=4.0, update_interval=5, rules="careful")
SIZE = 20


class RedEngine:
    """Finds the red part of every search crop: sure of it if there is any, and sure of nothing if there is none."""

    config = CONFIG

    def __init__(self):
        self.rows = []

    def remember(self, templates):
        return templates

    def join(self, memories):
        return np.concatenate(memories)

    def locate(self, search, memory):
        self.rows.append(len(search))
        assert len(memory) == len(search)
        found = [self._find(crop) for crop in search]
        return EngineOutput(np.array([box for box, _ in found]), np.array([score for _, score in found]))

    def _find(self, crop):
        rows, columns = np.nonzero((crop[..., 0] > 140) & (crop[..., 2] < 120))
        if len(rows) < 20:
            return (0.5, 0.5, 0.2, 0.2), -6.0
        x1, x2, y1, y2 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        return ((x1 + x2) / 2 / 64, (y1 + y2) / 2 / 64, (x2 - x1) / 64, (y2 - y1) / 64), 4.0


def clip(places, ground=40):
    """Frames of 240 x 320 with a red square at each place, or without it where the place is None."""
    frames = []
    texture = np.random.default_rng(1).integers(0, 40, (240, 320, 3), dtype=np.uint8)
    for place in places:
        frame = texture + np.uint8(ground if np.isscalar(ground) else ground[len(frames)])
        if place is not None:
            frame[place[1] : place[1] + SIZE, place[0] : place[0] + SIZE] = (230, 60, 20)
        frames.append(frame)
    return frames


def run(places, config=CAREFUL, **options):
    frames = clip(places, **options)
    engine = RedEngine()
    tracker = Tracker(engine, config)
    tracker.init(frames[0], (*places[0], SIZE, SIZE))
    return [tracker.update(frame) for frame in frames[1:]], engine, tracker


AWAY = [(100, 100)] * 8 + [None] * 10


def test_the_status_follows_the_target():
    results, _, _ = run([*AWAY, *[(104, 100)] * 6])
    said = [r.status for r in results]
    assert said[:7] == ["tracking"] * 7
    assert set(said[9:17]) == {"lost"}  # two hopeless frames count as four
    assert said[-1] == "tracking"
    assert said[17] == "uncertain"  # the first sure frame after it


def test_a_lost_target_is_waited_for_and_no_template_is_stored():
    results, _, tracker = run(AWAY)
    np.testing.assert_allclose(results[-1].box, (100, 100, SIZE, SIZE), atol=2)
    assert not any(r.template_updated for r in results[8:])
    assert tracker.state.box == results[-1].box


def test_official_rules_do_what_they_did_whatever_the_status():
    official = CAREFUL.replace(rules="official")
    results, engine, _ = run(AWAY, official)
    assert {r.status for r in results[10:]} == {"lost"}
    assert results[9].template_updated
    assert results[14].template_updated
    assert set(engine.rows) == {1}


def test_a_target_that_comes_back_nearby_is_found():
    results, engine, _ = run([*AWAY, *[(160, 130)] * 12])
    assert results[-1].status == "tracking"
    np.testing.assert_allclose(results[-1].box, (160, 130, SIZE, SIZE), atol=2)
    assert max(engine.rows) <= CAREFUL.search_budget


def test_after_a_cut_the_whole_frame_is_searched_within_the_budget():
    places = [(20, 20)] * 8 + [None] * 6 + [(270, 190)] * 12
    results, engine, _ = run(places, ground=[40] * 8 + [160] * 18)
    assert results[7].status == "lost"  # at once: the picture changed and the target is not there
    assert results[-1].status == "tracking"
    np.testing.assert_allclose(results[-1].box, (270, 190, SIZE, SIZE), atol=2)
    per_frame = np.add.reduceat(engine.rows, np.flatnonzero(np.array(engine.rows) == 1)) if engine.rows else []
    assert max(per_frame) <= CAREFUL.search_budget


@pytest.mark.parametrize("redetect", ["off", "local", "frame"])
def test_far_away_without_a_cut_it_is_another_thing(redetect):
    places = [(20, 20)] * 8 + [None] * 3 + [(280, 200)] * 3
    results, engine, _ = run(places, CAREFUL.replace(redetect=redetect))
    assert {r.status for r in results[9:]} == {"lost"}
    if redetect == "off":
        assert set(engine.rows) == {1}


def test_one_target_alone_and_in_a_batch_are_the_same():
    places = [*AWAY, *[(150, 120)] * 8]
    alone, _, _ = run(places)
    frames = clip(places)
    many = MultiTracker(RedEngine(), CAREFUL)
    for id in (1, 2, 3):
        many.add(frames[0], (*places[0], SIZE, SIZE), id)
    for frame, expected in zip(frames[1:], alone, strict=True):
        assert set(many.update(frame).values()) == {expected}


@pytest.mark.parametrize("copied", ["file", "pickle", "deepcopy"])
def test_a_state_kept_in_the_middle_of_an_absence_has_the_same_future(copied, tmp_path):
    places = [*AWAY, *[(150, 120)] * 8]
    frames = clip(places)
    _, _, tracker = run(places[:13])
    state = tracker.state
    assert state.presence.status == "lost"
    if copied == "file":
        state.save(tmp_path / "state.npz")
        again = TrackState.load(tmp_path / "state.npz")
    else:
        again = pickle.loads(pickle.dumps(state)) if copied == "pickle" else copy.deepcopy(state)
    other = Tracker(RedEngine(), CAREFUL)
    other.state = again
    assert [tracker.update(f) for f in frames[13:]] == [other.update(f) for f in frames[13:]]


def test_the_opencv_shape_says_whether_it_is_there():
    frames = clip(AWAY)
    tracker = OpenCVTracker(RedEngine(), CAREFUL, color="rgb")
    tracker.init(frames[0], (100, 100, SIZE, SIZE))
    said = [tracker.update(frame)[0] for frame in frames[1:]]
    assert said[:7] == [True] * 7
    assert said[-1] is False
    assert tracker.getTrackingScore() < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_hysteresis(seed):
    """Scores between the thresholds change nothing; a status changes only by the rule."""
    random = np.random.default_rng(seed)
    presence, config = Presence(), TrackerConfig()
    for score in random.choice([0.001, 0.2, 0.45, 0.9], 200):
        after = judge(presence, float(score), config)
        if score == 0.45:
            assert after.status == presence.status
        if after.status == "lost" and presence.status == "tracking":
            assert presence.low + 2 >= config.lost_after
        if after.status == "tracking" and presence.status != "tracking":
            assert after.high >= config.found_after or presence.lost_frames == 0
        if after.status == "tracking":
            assert after.lost_frames == 0
        presence = after
    assert judge(presence, None, config) == presence


def test_windows_cover_the_frame_once_in_a_round():
    frame, template = np.zeros((240, 320, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)
    presence, config = Presence("lost", sure_box=Box(10, 10, 20, 20), lost_frames=3, cut=True), CAREFUL
    for glances in (0, 8):
        config, seen, looked = CAREFUL.replace(search_glances=glances), set(), 0
        while looked < 40:
            places = windows_to_search(replace(presence, looked=looked), frame, template, config)
            assert len(places) == (CAREFUL.search_budget - 1 if looked < 12 else 1)
            looked += len(places)
            seen |= {each.center for each in places if each.w > 20}  # windows over the frame are larger
        assert len(seen) == 12
    vast = Presence("lost", sure_box=Box(0, 0, 1, 1), cut=True)
    huge = np.broadcast_to(np.uint8(0), (100_000, 100_000, 3))
    assert len(windows_to_search(vast, huge, template, config.replace(search_glances=0))) <= CAREFUL.search_budget


def windows(presence, frame, template, **settings):
    return [each.center for each in windows_to_search(presence, frame, template, CAREFUL.replace(**settings))]


def test_what_looks_like_the_target_is_looked_at_first_and_every_second_time():
    (frame,) = clip([(280, 200)])
    template = crop_target(frame, Box(280, 200, SIZE, SIZE), 2.0, 32)[0]
    presence, there = Presence("lost", sure_box=Box(20, 20, SIZE, SIZE), lost_frames=11), (290, 210)
    taken = [windows(replace(presence, looked=k), frame, template) for k in range(4)]
    assert [len(each) for each in taken] == [1] * 4
    near = [np.hypot(*np.subtract(each[0], there)) < 4 for each in taken]
    assert near == [True, False, True, False]  # the second time with another template
    assert taken[1] != taken[3]
    for early in ({"redetect": "local"}, {"search_glances": 0}):  # the usual windows, around the last place
        (near,) = windows(replace(presence, lost_frames=11), frame, template, **early)
        assert np.hypot(*np.subtract(near, (30, 30))) < 100
    assert windows(replace(presence, lost_frames=10), frame, template) == [near]


def test_places_that_look_like_the_target_are_apart_and_in_the_frame():
    (frame,) = clip([(100, 100)])
    template = crop_target(frame, Box(100, 100, SIZE, SIZE), 2.0, 32)[0]
    places = propose(frame, template, (SIZE, SIZE), 20)
    assert places[0] == pytest.approx((110, 110), abs=2)
    assert len(places) == 20
    for k, (x, y) in enumerate(places):
        assert 0 < x < 320
        assert 0 < y < 240
        assert all(max(abs(x - a), abs(y - b)) >= SIZE - 2 for a, b in places[:k])
    # A target larger than the frame, one of a pixel, and a plain frame: places all the same, none of them NaN.
    for image, size in ((frame, (900, 700)), (frame, (1, 1)), (frame[:2, :2], (20, 20)), (frame * 0, (20, 20))):
        found = propose(image, template, size, 3)
        assert found
        assert np.isfinite(found).all()
    assert len(propose(np.zeros((24, 24, 3), np.uint8), template, (20, 20), 8)) < 8  # no room for more


def test_a_cut_is_told_from_motion():
    still, moved = clip([(100, 100), (112, 100)])
    assert not is_cut(thumbnail(still), thumbnail(moved))
    assert is_cut(thumbnail(still), thumbnail(255 - still))
    assert not is_cut((), thumbnail(still))


def test_results_and_pictures_say_it():
    result = TrackResult(Box(10, 10, 30, 20), 0.1, 4, status="lost")
    assert result.to_dict()["status"] == "lost"
    assert OUTPUT_FORMATS["csv"].line(result, None).endswith(",lost")
    assert OUTPUT_FORMATS["mot"].line(result, 1).endswith(",-1,0,-1")
    black = np.zeros((90, 120, 3), np.uint8)
    pictures = [Annotator().draw(black, TrackResult(Box(10, 10, 60, 50), 0.5, 4, status=s)) for s in
                ("tracking", "uncertain", "lost")]  # fmt: skip
    drawn = [int((each.max(2) > 0).sum()) for each in pictures]
    assert drawn[0] > drawn[1] > 0
    ghost = pictures[2][40, 8:14]
    assert (ghost.max(1) == ghost.min(1)).all()  # gray


def test_defaults_and_presets():
    assert DEFAULT_TRACKERS["mixformerv2_dino_s8"].rules == "careful"
    assert tracker_config("mixcvt", "lasot").rules == "official"
    with pytest.raises(ConfigError, match="lost_below <= sure_above"):
        TrackerConfig(lost_below=0.7, sure_above=0.5)
    with pytest.raises(ConfigError, match="search_budget"):
        TrackerConfig(search_budget=0)
