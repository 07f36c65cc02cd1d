"""Statistics against figures worked out by hand, and the order in which candidates take turns."""

import pytest

from mixformer.bench.contest import times_of
from mixformer.bench.peaks import Peaks, best_of
from mixformer.bench.session import FrameTime
from mixformer.bench.stats import Spread, interleave, percentile, ratio, spread
from mixformer.bench.throughput import reached
from mixformer.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0], 0.95, 3.0),  # one value is every percentile
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.5),  # between the two in the middle, in any order
        ([1.0, 2.0, 3.0, 4.0, 5.0], 0.25, 2.0),  # exactly a value
        ([0.0, 10.0], 0.95, 9.5),  # linear between neighbors
        ([1.0, 2.0, 9.0], 1.0, 9.0),  # the largest
        ([1.0, 2.0, 9.0], 0.0, 1.0),  # the smallest
    ],
)
def test_percentile(values, share, expected):
    assert percentile(values, share) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.5), ([1.0], -0.1)])
def test_percentile_of_nothing(values, share):
    with pytest.raises(ValueError, match="no share"):
        percentile(values, share)


def test_spread_and_ratio():
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0]) == Spread(3.0, 2.0, 4.0)
    # A slow second round slows both: the ratio stays 2, which the quotient of the medians would not be.
    assert ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]) == Spread(2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])
    with pytest.raises(ConfigError, match="does not hold"):
        Spread(1.0, 2.0, 3.0)


def test_candidates_take_turns_and_each_starts_a_round():
    order = []
    work = {name: lambda name=name: order.append(name) or len(order) for name in "abc"}
    found = interleave(work, 3)
    assert "".join(order) == "abcbcacab"
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}
    assert interleave({}, 3) == {}
    order.clear()
    interleave(work, 2, lambda: order.append("-"))
    assert "".join(order) == "-abc-bca"


def test_times_of_frames():
    frames = [FrameTime(0.001, 0.002, 0.003), FrameTime(0.003, 0.006, 0.001), FrameTime(0.002, 0.004, 0.002)]
    times = times_of(frames)
    assert (times.crop, times.network, times.rest) == pytest.approx((2, 4, 2))
    assert times.p50 == pytest.approx(8)
    assert times.p95 == pytest.approx(9.8)
    assert times.p99 == pytest.approx(9.96)
    assert frames[0].step == pytest.approx(0.003)


def test_shares_are_taken_within_a_round():
    """A busy second round halves both; the third finds the machine at its best, and the work too slow."""
    peaks = [Peaks(100.0, None, 10.0), Peaks(50.0, None, 5.0), Peaks(100.0, None, 10.0)]
    found = reached(40, 8, [1.0, 2.0, 4.0], peaks, "float32")
    assert (found.flops_per_second, found.bytes_per_second) == (20, 4)
    assert found.of_products == pytest.approx(0.4)  # 0.4, 0.4, 0.1
    assert found.of_bandwidth == pytest.approx(0.8)
    assert reached(40, 8, [1.0, 2.0, 4.0], peaks, "bfloat16").of_products is None


def test_best_of_several_peaks():
    assert best_of([Peaks(1.0, None, 5.0), Peaks(2.0, 3.0, 4.0)]) == Peaks(2.0, 3.0, 5.0)
    assert best_of([Peaks(1.0, None, 5.0)]).bfloat16 is None
