"""A teacher's edge distributions on the student's bins."""

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from mixformer.training.distillation import resample_distribution


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(0, 2**20))
def test_resampling_keeps_mass_and_expectation(count, bins, seed):
    generator = torch.Generator().manual_seed(seed)
    given_edges = (3 * torch.randn(2, 4, count, generator=generator, dtype=torch.float64)).softmax(-1)
    position = torch.arange(count, dtype=torch.float64) / count
    inside = position <= (bins - 1) / bins
    given_edges = given_edges * inside / (given_edges * inside).sum(-1, keepdim=True)  # no mass out of reach
    found = resample_distribution(given_edges, bins)
    assert found.shape == (2, 4, bins)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 4, dtype=torch.float64), rtol=0, atol=1e-12)
    expected = (given_edges * position).sum(-1)
    got = (found * torch.arange(bins, dtype=torch.float64) / bins).sum(-1)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def test_resampling_in_single_precision_and_under_autocast():
    given_edges = torch.randn(3, 4, 96, generator=torch.Generator().manual_seed(0)).softmax(-1)
    given_edges[..., 90:] = 0
    given_edges /= given_edges.sum(-1, keepdim=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = resample_distribution(given_edges, 72)
    expected = (given_edges * torch.arange(96) / 96).sum(-1)
    torch.testing.assert_close((found * torch.arange(72) / 72).sum(-1), expected, rtol=0, atol=1e-6)


def test_resampling_to_the_same_number_changes_nothing():
    given_edges = torch.rand(2, 4, 20)
    assert resample_distribution(given_edges, 20) is given_edges


def test_resampling_examples():
    line = torch.eye(4)
    half = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]  # the last position, 3/4, is out of reach of two bins
    assert resample_distribution(line, 2).tolist() == half
    double = resample_distribution(line, 8)
    assert double[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert double[1].tolist() == [0, 0.25, 0.5, 0.25, 0, 0, 0, 0]  # position 1/4 = bin 2 of 8, spread without a comb
    assert double[3].tolist() == [0, 0, 0, 0, 0, 0.25, 0.5, 0.25]


@pytest.mark.parametrize(("count", "bins"), [(56, 98), (14, 96), (72, 96), (20, 72)])
def test_a_finer_student_sees_no_comb(count, bins):
    """A flat teacher stays flat away from the borders."""
    found = resample_distribution(torch.full((1, 4, count), 1 / count), bins) * bins
    reach = 2 * math.ceil(bins / count)
    middle = found[..., reach:-reach]
    assert middle.max() / middle.min() < 1.3
