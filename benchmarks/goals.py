"""Compare a report of `mixformer bench --json` with the goals of the project.

mixformer bench --models mixformerv2_s,mixformerv2_b,mixformerv2_dino_s8 --json here.json
python benchmarks/goals.py here.json
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from mixformer.bench import BenchmarkReport
from mixformer.bench.schema import CaseResult
from mixformer.configs.variants import DEFAULT_MODEL

SMALL, BASE = "mixformerv2_s", "mixformerv2_b"
WITH_BFLOAT16 = {"amx_bf16", "avx512_bf16", "bf16"}


@dataclass(frozen=True)
class Goal:
    """A limit on a figure; `reached` is None if the run did not measure it."""

    what: str
    asked: str
    found: str
    reached: bool | None


def goals(report: BenchmarkReport) -> list[Goal]:
    """All goals for processors; figures are those of this run, on whatever machine it was."""
    fast = WITH_BFLOAT16 & set(report.machine.instructions)
    times = 8.0 if fast else 1.5
    words = f"{times:g} x {'with AMX' if fast else 'without bfloat16'}"
    found = [_best(report, m, "crop and network, speedup", words, max, _speedup, times) for m in (SMALL, BASE)]
    found += [
        _best(report, SMALL, "crop and network", "at most 4 ms with AMX", min, _step, 4.0),
        _best(report, DEFAULT_MODEL, "the clip with decoding", "250 FPS with AMX", max, _fps, 250.0),
    ]
    return found


def _best(
    report: BenchmarkReport,
    model: str,
    what: str,
    asked: str,
    better: Callable[..., tuple[float, str]],
    figure: Callable[[CaseResult], float | None],
    limit: float,
) -> Goal:
    """The best engine of a model against a limit; `better` is min or max."""
    results = [r for r in report.results if r.model == model and r.failed is None and r.engine != "reference"]
    values = [(value, f"{r.engine} {r.precision}") for r in results if (value := figure(r)) is not None]
    if not values:
        return Goal(f"{model}: {what}", asked, "not measured", None)
    value, name = better(values)
    return Goal(f"{model}: {what}", asked, f"{value:.3g} ({name})", value == better(value, limit))


def _speedup(result: CaseResult) -> float | None:
    return None if result.speedup is None else result.speedup.median


def _step(result: CaseResult) -> float | None:
    return None if result.times is None else result.times.network + result.times.crop


def _fps(result: CaseResult) -> float | None:
    return None if result.end_to_end is None else result.end_to_end.median


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for goal in goals(BenchmarkReport.from_file(sys.argv[1])):
        print(
            f"{goal.what:60s} {goal.asked:26s} {goal.found:32s} {({True: 'yes', False: 'no', None: '-'})[goal.reached]}"
        )
