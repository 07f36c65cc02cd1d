"""Kept reports are readable and name nobody; goals are judged by the figures alone."""

import json
import re
from dataclasses import replace

import pytest

from mixformer.bench import BenchmarkOptions, BenchmarkReport
from mixformer.bench.schema import FORMAT, CaseResult, ClipFigures, Machine, UpdateTimes
from mixformer.bench.stats import Spread
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.errors import ConfigError
from tests.bench.scripts import FOLDER, script

KEPT = sorted(FOLDER.glob("*.json"))
OLD = sorted((FOLDER / "format1").glob("*.json"))
MACHINE = Machine("a processor", 2, ("avx2", "amx_bf16"), 8.0, None, "Linux x86_64", "3.12", {"numpy": "2"})
CLIP = ClipFigures("clip.mp4", 640, 360, Spread(1.0, 0.9, 1.1))
TIMES = UpdateTimes(p50=4.0, p95=5.0, crop=0.5, network=3.0, rest=0.1)
SMALL, BASE = "mixformerv2_s", "mixformerv2_b"


@pytest.fixture(scope="module")
def goals():
    with script("goals") as module:
        yield module.goals


def report(*results, machine=MACHINE):
    peaks = {"torch float32": 1e11}
    return BenchmarkReport(FORMAT, "2026-01-02", "", machine, BenchmarkOptions(threads=2), CLIP, peaks, results)


def fast(model, **found):
    return replace(CaseResult(model, "openvino", "bfloat16", times=TIMES), **found)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_kept_reports(path):
    kept = BenchmarkReport.from_file(path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept.date)
    assert kept.machine.cores >= kept.options.threads >= 1
    for result in kept.results:
        assert result.model in MODELS
        assert (result.times is None) == (result.failed is not None)


@pytest.mark.parametrize("path", KEPT + OLD, ids=lambda path: path.name)
def test_no_report_holds_a_path(path):
    assert not re.search("/home/|/tmp/|/root|/work", path.read_text())


def test_round_trip_and_other_formats():
    one = report(fast(SMALL, speedup=Spread(2.0, 1.5, 2.5), memory_mb=100.0))
    assert BenchmarkReport.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    with pytest.raises(ConfigError, match="format 1; measure again"):
        BenchmarkReport.from_file(OLD[0])
    with pytest.raises(ConfigError, match="has no field speed"):
        BenchmarkReport.from_dict({**one.to_dict(), "speed": 1})


def test_goals_with_amx(goals):
    results = (
        fast(SMALL, speedup=Spread(8.5, 8.0, 9.0)),
        fast(BASE, speedup=Spread(7.5, 7.0, 8.0)),
        fast(DEFAULT_MODEL, end_to_end=Spread(260.0, 250.0, 270.0)),
    )
    found = {goal.what: goal.reached for goal in goals(report(*results))}
    assert found[f"{SMALL}: crop and network, speedup"] is True
    assert found[f"{SMALL}: crop and network"] is True  # 3.5 ms
    assert found[f"{BASE}: crop and network, speedup"] is False
    assert found[f"{DEFAULT_MODEL}: the clip with decoding"] is True


def test_goals_without_bfloat16_ask_for_less_and_nothing_measured_is_no_verdict(goals):
    old = replace(MACHINE, instructions=("avx2",))
    found = goals(report(fast(SMALL, speedup=Spread(1.6, 1.5, 1.7)), machine=old))
    assert (found[0].asked, found[0].reached) == ("1.5 x without bfloat16", True)
    assert {goal.reached for goal in goals(report(CaseResult(SMALL, "onnx", "auto", failed="no")))} == {None}
