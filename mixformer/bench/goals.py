"""What the project set out to reach on two cores of a processor, held against a report."""

from __future__ import annotations

from dataclasses import dataclass

from mixformer.bench.machine import Machine
from mixformer.bench.record import Report, Result
from mixformer.configs.variants import DEFAULT_MODEL

SMALL, BASE = "mixformerv2_s", "mixformerv2_b"
_TIMES, _TIMES_OTHERWISE = 8.0, 1.5  # with AMX; without any bfloat16
_MILLISECONDS, _FPS = 4.0, 250.0
_LOADED = 3.0
_START = 1.5  # seconds, without PyTorch
_PIXELS = {"float32": 1e-3}
_PIXELS_OTHERWISE = 0.5


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes:
        what: is measured.
        asked: in words.
        found: in words, with the engine that came nearest.
        reached: None if the run did not measure it.
    """

    what: str
    asked: str
    found: str
    reached: bool | None


def judge(report: Report) -> list[Goal]:
    """Every goal that a processor can be held to; figures are those of this run, on whatever machine it was."""
    of = {model: [r for r in report.results if r.model == model and _fast(r)] for model in (SMALL, BASE, DEFAULT_MODEL)}
    goals = [_speedup(model, of[model], report.machine) for model in (SMALL, BASE)]
    goals += [_time(of[SMALL], report.machine), _frames_per_second(of[DEFAULT_MODEL])]
    goals += [_accuracy(result) for result in report.results if _fast(result) and result.weights == "stored"]
    goals += [_load(result) for result in report.results if _fast(result) and result.loaded is not None]
    return [*goals, _start(of[DEFAULT_MODEL])]


def _fast(result: Result) -> bool:
    """Whether it was measured and is not the baseline."""
    return result.failed is None and result.engine != "plain"


def _name(result: Result) -> str:
    return f"{result.engine} {result.precision}"


def _on(machine: Machine) -> str:
    return "with AMX" if "amx_bf16" in machine.instructions else "with AMX, which this processor lacks"


def _speedup(model: str, results: list[Result], machine: Machine) -> Goal:
    what = f"{model}: network and crop against plain"
    asked, words = _TIMES, f"{_TIMES:.0f} x {_on(machine)}"
    if not {"amx_bf16", "avx512_bf16", "bf16"} & set(machine.instructions):
        asked, words = _TIMES_OTHERWISE, f"{_TIMES_OTHERWISE} x without bfloat16"
    ratios = [(result.speedup.median, _name(result)) for result in results if result.speedup is not None]
    if not ratios:
        return Goal(what, words, "not measured", None)
    best, name = max(ratios)
    return Goal(what, words, f"{best:.2f} x ({name})", best >= asked)


def _time(results: list[Result], machine: Machine) -> Goal:
    what, asked = f"{SMALL}: network and crop", f"at most {_MILLISECONDS:.0f} ms {_on(machine)}"
    times = [(r.times.network + r.times.crop, _name(r)) for r in results if r.times is not None]
    if not times:
        return Goal(what, asked, "not measured", None)
    best, name = min(times)
    return Goal(what, asked, f"{best:.1f} ms ({name})", best <= _MILLISECONDS)


def _frames_per_second(results: list[Result]) -> Goal:
    what, asked = f"{DEFAULT_MODEL}: the clip, decoding included", f"{_FPS:.0f} FPS with AMX"
    rates = [(r.end_to_end.median, _name(r)) for r in results if r.end_to_end is not None]
    if not rates:
        return Goal(what, asked, "not measured", None)
    best, name = max(rates)
    return Goal(what, asked, f"{best:.0f} FPS ({name})", best >= _FPS)


def _accuracy(result: Result) -> Goal:
    limit = _PIXELS.get(result.precision, _PIXELS_OTHERWISE)
    what, asked = f"{result.model} {_name(result)}: boxes off plain's", f"at most {limit:g} px"
    if result.pixels is None:
        return Goal(what, asked, "not measured", None)
    return Goal(what, asked, f"{result.pixels:.2g} px", result.pixels <= limit)


def _load(result: Result) -> Goal:
    what, asked = f"{result.model} {_name(result)}: p95 beside a busy core", f"at most {_LOADED:.0f} x the quiet p95"
    if result.loaded is None or result.times is None:
        return Goal(what, asked, "not measured", None)
    times = result.loaded.p95 / result.times.p95
    return Goal(what, asked, f"{times:.1f} x", times <= _LOADED)


def _start(results: list[Result]) -> Goal:
    what, asked = f"{DEFAULT_MODEL}: from the shell to the first box, no PyTorch", f"under {_START} s"
    free = [r for r in results if r.engine in ("openvino", "onnx")]
    starts = [(r.startup.total, _name(r)) for r in free if r.startup is not None]
    if not starts:
        return Goal(what, asked, "not measured", None)
    best, name = min(starts)
    return Goal(what, asked, f"{best:.2f} s ({name})", best < _START)
