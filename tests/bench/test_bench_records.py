"""Kept results of known machines are readable, complete and name nobody; goals are judged by the figures alone."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mixformer.bench.goals import BASE, SMALL, judge
from mixformer.bench.machine import Machine
from mixformer.bench.peaks import Peaks
from mixformer.bench.record import FORMAT, Report, Result, Settings, Times
from mixformer.bench.startup import Startup
from mixformer.bench.stats import Spread
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.errors import ConfigError

FOLDER = Path(__file__).parents[2] / "benchmarks"
KEPT = sorted(FOLDER.glob("*.json"))
MACHINE = Machine("a processor", 2, ("avx2", "amx_bf16"), 8.0, None, "Linux x86_64", "3.12", {"numpy": "2"})
SETTINGS = Settings("clip.mp4", 640, 360, 20, 7, 2, "cpu")
TIMES = Times(p50=4.0, p95=5.0, p99=6.0, crop=0.5, network=3.0, rest=0.1)
ONE = Spread(1.0, 0.9, 1.1)


def report(*results, machine=MACHINE):
    return Report(FORMAT, "2026-01-02", "", machine, SETTINGS, Peaks(1e11, 2e11, 1e10), ONE, results)


def fast(model, **found):
    return replace(Result(model, "stored", "openvino", "bfloat16", times=TIMES), **found)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_kept_results(path):
    kept = Report.from_file(path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept.date)
    assert kept.machine.processor
    assert kept.machine.cores >= kept.settings.threads >= 1
    assert kept.results
    for result in kept.results:
        assert result.model in MODELS
        assert (result.times is None) == (result.failed is not None)
    for word in ("/home/", "/tmp/", "/root", "/work"):
        assert word not in path.read_text()


def test_results_are_kept_for_some_machine():
    assert KEPT


def test_round_trip_and_unknown_formats():
    one = report(fast(SMALL, speedup=Spread(2.0, 1.5, 2.5), startup=Startup(1, 1, 1, 1, 4, None, None)))
    assert Report.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    with pytest.raises(ConfigError, match="format 99 is unknown"):
        replace(one, format=99)
    with pytest.raises(ConfigError, match="has no field speed"):
        Report.from_dict({**one.to_dict(), "speed": 1})


def verdicts(found):
    return {goal.what: goal.reached for goal in judge(found)}


def test_goals_with_amx():
    start = Startup(0.1, 0.3, 0.5, 0.3, 1.2, 100.0, None)
    results = (
        fast(SMALL, speedup=Spread(8.5, 8.0, 9.0), pixels=0.1),
        fast(BASE, speedup=Spread(7.5, 7.0, 8.0), loaded=replace(TIMES, p95=16.0)),
        fast(DEFAULT_MODEL, end_to_end=Spread(260.0, 250.0, 270.0), startup=start, pixels=0.7),
    )
    found = verdicts(report(*results))
    assert found[f"{SMALL}: network and crop against plain"] is True
    assert found[f"{SMALL}: network and crop"] is True  # 3.5 ms
    assert found[f"{BASE}: network and crop against plain"] is False
    assert found[f"{BASE} openvino bfloat16: p95 beside a busy core"] is False  # 3.2 times
    assert found[f"{DEFAULT_MODEL}: the clip, decoding included"] is True
    assert found[f"{DEFAULT_MODEL} openvino bfloat16: boxes off plain's"] is False
    assert found[f"{SMALL} openvino bfloat16: boxes off plain's"] is True
    assert found[f"{DEFAULT_MODEL}: from the shell to the first box, no PyTorch"] is True


def test_goals_without_bfloat16_ask_for_less_and_nothing_measured_is_no_verdict():
    old = replace(MACHINE, instructions=("avx2",))
    found = judge(report(fast(SMALL, speedup=Spread(1.6, 1.5, 1.7)), machine=old))
    assert (found[0].asked, found[0].reached) == ("1.5 x without bfloat16", True)
    assert {goal.reached for goal in judge(report(Result(SMALL, "random", "onnx", "auto", failed="no")))} == {None}
    slow = replace(MACHINE, instructions=("avx2", "avx512_bf16"))
    first = judge(report(fast(SMALL, speedup=Spread(5.0, 4.0, 6.0)), machine=slow))[0]
    assert first.asked == "8 x with AMX, which this processor lacks"
    assert first.reached is False
