"""The unattended script for GPUs, on the CPU: it resumes, records why a part failed, and says so in its exit code."""

import json
from functools import partial

import pytest

from mixformer.bench import tracking_benchmark
from mixformer.bench.peak import PeakProbe
from tests.bench.scripts import script


@pytest.fixture(scope="module")
def gpu():
    with script("gpu") as module:
        yield module


class Parts:
    """A run whose parts are made up."""

    device = "cpu"

    def __init__(self, **parts):
        self.found, self.done = parts, []

    def parts(self):
        def work(name):
            self.done.append(name)
            result = self.found[name]
            if isinstance(result, BaseException):
                raise result
            return result

        return {name: partial(work, name) for name in self.found}


def test_a_run_goes_on_where_it_stopped(gpu, tmp_path):
    out = tmp_path / "gpu.json"
    first = Parts(good={"a": 1}, bad=RuntimeError("no memory"), some={"left_out": {"graph": "no"}})
    assert gpu.measure(first, out, again=False) == ["bad", "some"]
    parts = json.loads(out.read_text())["parts"]
    assert parts["good"] == {"a": 1}
    assert parts["bad"] == {"failed": "RuntimeError: no memory"}
    second = Parts(good={"a": 2}, bad={"b": 1}, some={"left_out": {}})
    assert gpu.measure(second, out, again=False) == []
    assert second.done == ["bad", "some"]  # what was there is kept
    assert json.loads(out.read_text())["parts"]["good"] == {"a": 1}
    third = Parts(good={"a": 3})
    assert gpu.measure(third, out, again=True) == []
    assert json.loads(out.read_text())["parts"] == {"good": {"a": 3}}


def test_an_interrupt_is_no_failed_part(gpu, tmp_path):
    out = tmp_path / "gpu.json"
    with pytest.raises(KeyboardInterrupt):
        gpu.measure(Parts(good={"a": 1}, bad=KeyboardInterrupt()), out, again=False)
    assert list(json.loads(out.read_text())["parts"]) == ["good"]


def test_exit_code_tells_of_failures(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "Run", lambda *_: Parts(bad=ValueError("broken")))
    assert gpu.main(["--out", str(tmp_path / "gpu.json"), "--device", "cpu"]) == 1
    assert "failed: bad" in capsys.readouterr().err


def test_every_part_runs_on_tiny_networks(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking_benchmark, "PeakProbe", partial(PeakProbe, side=64))
    monkeypatch.setattr(tracking_benchmark, "LONGEST", 4)
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out), "--device", "cpu", "--smoke"]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert list(parts) == ["peaks", "tiny steps", "tiny batches", "tracking", "training"]
    steps = parts["tiny steps"]["engines"]
    assert steps["torch:bfloat16"]["times_eager"]["median"] == 1
    assert steps["torch:float32"]["steps_per_second"] > 0
    assert [batch["size"] for batch in parts["tiny batches"]["engines"]["torch:float32"]] == [1, 3]


def test_goals_are_read_from_the_parts(gpu):
    step = {"milliseconds": {}, "steps_per_second": 3000.0, "times_eager": {"median": 6.0}}
    batch = {"size": 64, "efficiency": {"of_peak": 0.45}}
    parts = {
        "mixformerv2_b steps": {"engines": {"cudagraph:bfloat16": step, "torch:bfloat16": {"steps_per_second": 500.0}}},
        "mixformerv2_b batches": {"engines": {"cudagraph:bfloat16": [batch]}},
    }
    first, second = gpu.goals(parts)
    assert first == "mixformerv2_b cudagraph:bfloat16: 3000 steps/s (asked: 2000), 6.0 x eager (asked: 5)"
    assert "batch 64 reaches 45% of the matrix peak" in second
    assert gpu.goals({"mixformerv2_b steps": {"failed": "RuntimeError: no"}}) == []
