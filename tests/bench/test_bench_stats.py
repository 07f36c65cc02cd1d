"""Statistics against figures worked out by hand, and the order in which cases take turns."""

import numpy as np
import pytest

from mixformer.bench.peak import PeakProbe
from mixformer.bench.stats import Spread, interleave, ratio, spread
from mixformer.bench.stopwatch import summarize


def test_spread_and_ratio():
    assert spread([5.0, 1.0, 2.0, 3.0, 4.0]) == Spread(3.0, 2.0, 4.0)
    # A slow second round slows both: the ratio stays 2, which the quotient of the medians would not be.
    assert ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]) == Spread(2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


def test_cases_take_turns_and_each_starts_a_round():
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
    times = summarize(np.array([(0.001, 0.002, 0.003), (0.003, 0.006, 0.001), (0.002, 0.004, 0.002)]))
    assert (times.crop, times.network, times.rest) == pytest.approx((2, 4, 2))
    assert times.p50 == pytest.approx(8)
    assert times.p95 == pytest.approx(9.8)


def test_shares_are_those_of_the_best_round_and_the_best_product():
    """A busy second round slows the peak more than the work: its share would be 0.8."""
    probe = PeakProbe(threads=1, side=64)
    probe.best = {"a": 100.0, "b": 50.0}
    found = probe.compare(40, [1.0, 2.0, 4.0])
    assert found.flops_per_second == 20
    assert found.of_peak == pytest.approx(0.4)


def test_the_peak_is_the_best_of_all_rounds_and_products(monkeypatch):
    """A library that is slow in one round keeps the figure of the better one; none beats the peak."""
    probe = PeakProbe(threads=1, side=64)
    probe.measure()
    low, high = dict.fromkeys(probe.best, 1.0), dict.fromkeys(probe.best, 1e30)
    probe.best = dict(low)
    assert min(probe.measure().values()) > 1
    probe.best = dict(high)
    assert probe.measure() == high
