"""The template update rule, by hand."""

import pytest

from mixformer.config import TrackerConfig
from mixformer.tracking.update import Decision, Ring, decide

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
    decision = decide(Ring(best), score, 1, EVERY_5)
    assert decision.take is taken
    assert not decision.commit
    assert decision.ring.best_score == (score if taken else best)


def test_the_best_score_decays_before_the_comparison():
    config = EVERY_5.replace(score_decay=0.9)
    assert decide(Ring(0.8), 0.73, 1, config).take  # 0.8 * 0.9 = 0.72
    assert decide(Ring(0.8), 0.71, 1, config).ring.best_score == pytest.approx(0.72)


def test_the_ring_fills_and_then_turns():
    ring, slots = Ring(), []
    for frame in range(1, 36):
        decision = decide(ring, 0.9, frame, EVERY_5)
        assert decision.commit == (frame % 5 == 0)
        ring = decision.ring
        if decision.commit:
            slots.append((decision.slot, ring.count, ring.next_slot))
            assert ring.best_score == -1
    assert slots == [(1, 2, 0), (2, 3, 0), (0, 3, 1), (1, 3, 2), (2, 3, 0), (0, 3, 1), (1, 3, 2)]


def test_one_online_template_is_always_replaced():
    decision = decide(Ring(), 0.9, 10, TrackerConfig(update_interval=10))
    assert (decision.commit, decision.slot, decision.ring) == (True, 0, Ring(-1.0, 1, 0))


def test_without_score_or_interval_nothing_happens():
    assert decide(Ring(), None, 5, EVERY_5) == Decision(Ring())
    assert decide(Ring(), 0.9, 5, TrackerConfig(update_interval=0)) == Decision(Ring())
