"""The expected calibration error: by hand, against a plain loop, and its bounds."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mixformer.errors import DataError
from mixformer.evaluation import SequenceResult, bin_scores
from mixformer.evaluation.metrics import score_pairs


def loop_error(scores, hits):
    total = 0.0
    for number in range(10):
        inside = [i for i, s in enumerate(scores) if number == min(int(s * 10), 9)]
        if inside:
            mean, rate = np.mean([scores[i] for i in inside]), np.mean([hits[i] for i in inside])
            total += len(inside) * abs(mean - rate)
    return total / len(scores)


def test_by_hand():
    # Two bins: three scores of 0.95 of which one is right, one of 0.05 that is wrong.
    bins = bin_scores(np.array([0.95, 0.95, 0.95, 0.05]), np.array([True, False, False, False]))
    assert bins.counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    assert bins.rates[[0, 9]].tolist() == [0, 1 / 3]
    assert bins.error == pytest.approx((3 * (0.95 - 1 / 3) + 0.05) / 4)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_against_a_plain_loop(pairs):
    scores, hits = np.array([s for s, _ in pairs]), np.array([h for _, h in pairs])
    bins = bin_scores(scores, hits)
    assert bins.error == pytest.approx(loop_error(scores, hits), abs=1e-12)
    assert 0 <= bins.error <= 1
    assert bins.counts.sum() == len(pairs)
    assert bin_scores(hits.astype(float), hits).error == 0  # a score that knows


def test_pairs_leave_out_the_first_frame_and_frames_without_score():
    truth = np.array([[10.0, 20, 40, 30]] * 5)
    truth[3] = np.nan
    predicted = np.array([[10.0, 20, 40, 30]] * 5)
    predicted[2, 0] = 30  # IoU 1/3
    scores = np.array([1, 0.9, 0.8, 0.2, np.nan])
    ((told, hits),) = score_pairs([SequenceResult("s", predicted, truth, scores=scores)])
    assert told.tolist() == [0.9, 0.8, 0.2]
    assert hits.tolist() == [True, False, False]
    assert [len(each) for each in score_pairs([SequenceResult("s", predicted, truth)])[0]] == [0, 0]


@pytest.mark.parametrize("scores", [[], [1.5], [-0.1], [np.nan]])
def test_what_is_no_probability_is_refused(scores):
    with pytest.raises(DataError, match="scores from 0 to 1"):
        bin_scores(np.array(scores, float), np.zeros(len(scores), bool))
