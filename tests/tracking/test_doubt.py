"""A score in the light of what is usual for the target, and the status that follows."""

import json
from dataclasses import asdict

import numpy as np

from mixformer.tracking import Tracker
from mixformer.tracking.presence import Presence, confidence, doubt, judge
from tests.tracking.test_lost import AWAY, CAREFUL, SIZE, RedEngine, clip, run

START = Presence()
INCLUDED = CAREFUL.replace(lost_below=0.5, sure_above=0.65)


def after(scores, presence=START, config=INCLUDED):
    """The presence after frames with these scores of the network, and the confidence in each."""
    said = []
    for score in scores:
        presence, seen = doubt(judge(presence, score, config), score, config)
        said.append(seen)
    return presence, said


def test_a_usual_score_is_left_as_it_is_and_more_too():
    for usual in (0.8, 0.9, 0.97):
        presence, said = after([usual] * 30)
        assert said == [usual] * 30
        assert confidence(presence, 0.99, INCLUDED) == 0.99
        lower = [confidence(presence, score / 100, INCLUDED) for score in range(1, 100)]
        assert lower == sorted(lower)  # the order of scores stays


def test_a_neighbor_scores_lower_than_the_target_does():
    person, _ = after([0.95] * 30)
    car, _ = after([0.8] * 30)
    assert confidence(person, 0.75, INCLUDED) < 0.5 < confidence(car, 0.75, INCLUDED)


def test_a_weak_target_is_not_lost_from_its_beginning():
    presence, said = after([0.66] * 20)
    assert presence.said.status == "tracking"
    assert said == [0.66] * 20


def test_a_target_that_has_changed_is_taken_for_itself_after_a_while():
    before, _ = after([0.95] * 30)
    presence, said = after([0.75] * 5, before)
    assert (presence.said.status, presence.status) == ("lost", "tracking")  # the box goes on with it
    presence, said = after([0.75] * 200, presence)
    assert presence.said.status == "tracking"
    assert said[-1] == 0.75


def test_the_scores_of_official_rules_are_those_of_the_network():
    class Falling(RedEngine):
        def _find(self, crop):
            return (0.5, 0.5, 0.25, 0.25), 4.0 - len(self.rows) / 10

    frames = clip([(100, 100)] * 40)
    said = {}
    for rules in ("official", "careful"):
        tracker = Tracker(Falling(), CAREFUL.replace(rules=rules))
        tracker.init(frames[0], (100, 100, SIZE, SIZE))
        said[rules] = [tracker.update(frame).score for frame in frames[1:]]
    right = [1 / (1 + np.exp(-(4.0 - n / 10))) for n in range(1, 40)]
    np.testing.assert_allclose(said["official"], right)
    assert said["careful"][-1] < said["official"][-1]


def test_doubt_says_the_status_and_moves_no_box(monkeypatch):
    places = [*AWAY, *[(160, 130)] * 12]
    doubted, engine, _ = run(places)
    monkeypatch.setattr("mixformer.tracking.presence._DOUBT", 0.0)
    believed, other, _ = run(places)
    assert [r.box for r in doubted] == [r.box for r in believed]
    assert engine.rows == other.rows


def test_what_was_said_is_kept_with_a_state(tmp_path):
    before, _ = after([0.95] * 30)
    presence, _ = after([0.75] * 5, before)
    assert Presence.from_dict(json.loads(json.dumps(asdict(presence)))) == presence
    old = {key: value for key, value in asdict(presence).items() if key not in ("said", "usual", "sure_frames")}
    assert Presence.from_dict(old).said.status == presence.status


def test_the_strongest_comparison_gives_a_score_of_zero():
    """It was an OverflowError, some 700 logits below."""
    strongest = CAREFUL.replace(likeness_weight=1000.0, likeness_usual=1.0)
    assert 0 <= confidence(Presence(likeness=-1.0), 0.9, strongest) < 1e-100
