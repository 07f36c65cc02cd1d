"""The template update rules, by hand."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mixformer.configs.model import ModelConfig
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.tracking import Tracker
from mixformer.tracking.template_update import TemplateBuffer, TemplateUpdate, update_policy
from mixformer.types import EngineOutput

EVERY_5 = TrackerConfig(update_interval=5, online_templates=3)


@pytest.mark.parametrize(
    ("score", "best", "taken"),
    [
        (0.6, -1.0, True),  # the first confident frame
        (0.5, -1.0, False),  # at the threshold is not above it
        (0.7, 0.6, True),
        (0.6, 0.6, False),  # equal is not better
        (0.55, 0.6, False),
    ],
)
def test_candidates(score, best, taken):
    decision = update_policy(TemplateBuffer(best), score, 1, EVERY_5)
    assert decision.take is taken
    assert not decision.commit
    assert decision.buffer.best_score == (score if taken else best)


def test_the_best_score_decays_before_the_comparison():
    config = EVERY_5.replace(score_decay=0.9)
    assert update_policy(TemplateBuffer(0.8), 0.73, 1, config).take  # 0.8 * 0.9 = 0.72
    assert update_policy(TemplateBuffer(0.8), 0.71, 1, config).buffer.best_score == pytest.approx(0.72)


def test_the_ring_fills_and_then_turns():
    ring, slots = TemplateBuffer(), []
    for frame in range(1, 36):
        decision = update_policy(ring, 0.9, frame, EVERY_5)
        assert decision.commit == (frame % 5 == 0)
        ring = decision.buffer
        if decision.commit:
            slots.append((decision.slot, ring.count, ring.next_slot))
            assert ring.best_score == -1
    assert slots == [(1, 2, 0), (2, 3, 0), (0, 3, 1), (1, 3, 2), (2, 3, 0), (0, 3, 1), (1, 3, 2)]


def test_one_online_template_is_always_replaced():
    decision = update_policy(TemplateBuffer(), 0.9, 10, TrackerConfig(update_interval=10))
    assert (decision.commit, decision.slot, decision.buffer) == (True, 0, TemplateBuffer(-1.0, 1, 0))


def test_without_score_or_interval_nothing_happens():
    assert update_policy(TemplateBuffer(), None, 5, EVERY_5) == TemplateUpdate(TemplateBuffer())
    assert update_policy(TemplateBuffer(), 0.9, 5, TrackerConfig(update_interval=0)) == TemplateUpdate(TemplateBuffer())


def replay(config, frames, score):
    """Decisions on frames 1 to `frames`, all with this score."""
    ring, decisions = TemplateBuffer(), []
    for frame in range(1, frames + 1):
        decisions.append(update_policy(ring, score, frame, config))
        ring = decisions[-1].buffer
    return decisions


SCORES = st.none() | st.floats(0, 1)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 100), SCORES)
def test_an_unconditional_update_takes_and_commits_the_same_frame(interval, templates, frames, score):
    config = TrackerConfig(update="interval", update_interval=interval, online_templates=templates)
    decisions = replay(config, frames, score)
    commits = [decision for decision in decisions if decision.commit]
    assert len(commits) == frames // interval
    assert all(decision.take == decision.commit for decision in decisions)
    # Slots 1, 2, ... are appended first, then the ring turns from slot 0, which holds the copy of the initial template.
    appended = list(range(1, templates))
    turning = [turn % templates for turn in range(len(commits))]
    assert [decision.slot for decision in commits] == (appended + turning)[: len(commits)]
    assert all(decision.buffer.count <= templates for decision in decisions)


@given(st.integers(0, 12), st.integers(1, 5), SCORES)
def test_never_means_never(interval, templates, score):
    config = TrackerConfig(update="never", update_interval=interval, online_templates=templates)
    assert set(replay(config, 30, score)) == {TemplateUpdate(TemplateBuffer())}


@pytest.mark.parametrize("update", ["score", "interval", "never"])
def test_an_interval_of_zero_is_never_too(update):
    assert update_policy(TemplateBuffer(), 0.9, 5, TrackerConfig(update=update, update_interval=0)) == TemplateUpdate(
        TemplateBuffer()
    )


class StillEngine:
    """Finds the target where it was, without a score; its memory is the templates themselves."""

    config = ModelConfig("still", depth=1, search_size=64, template_size=32, score="none")

    def remember(self, templates):
        return templates

    def locate(self, search, memory):
        side = 1 / 4  # of the crop, which is 4 boxes wide
        return EngineOutput(np.array([[0.5, 0.5, side, side]]), None)


def test_the_tracker_commits_the_frame_of_the_update_itself():
    tracker = Tracker(StillEngine(), TrackerConfig(search_factor=4.0, update="interval", update_interval=3))
    tracker.init(np.zeros((120, 160, 3), np.uint8), (60, 40, 32, 32))
    shown = []
    for gray in range(10, 80, 10):
        result = tracker.update(np.full((120, 160, 3), gray, np.uint8))
        assert result.template_updated == (result.frame % 3 == 0)
        assert tracker.state.candidate_crop is None
        shown.append([int(template.max()) for template in tracker.state.templates])
        np.testing.assert_array_equal(tracker.state.memory[0], tracker.state.templates)
    assert shown == [[0, 0], [0, 0], [0, 30], [0, 30], [0, 30], [0, 60], [0, 60]]
