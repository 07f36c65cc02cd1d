"""The tables of `mixformer bench`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table

from mixformer.cli.console import make_table

if TYPE_CHECKING:
    from mixformer.bench.schema import BenchmarkReport, CaseResult
    from mixformer.bench.training_benchmark import TrainingSpeed


def tracking_tables(report: BenchmarkReport) -> Iterator[Table | str]:
    """Yield what to print, in order: the machine, the clip, then the tables of every model."""
    machine, options, clip = report.machine, report.options, report.clip
    peaks = sorted(report.peaks.items(), key=lambda item: -item[1])
    products = ", ".join(f"{name} {flops / 1e12:.2f}" for name, flops in peaks)
    yield f"{machine.gpu or machine.processor}, {options.threads} of {machine.cores} cores"
    yield f"matrix products, TFLOP/s: {products}; the first is the peak"
    yield f"{clip.name}, {clip.width} x {clip.height}: {clip.decode.median:.2f} ms to read and decode a frame"
    for model, group in groupby(report.results, lambda result: result.model):
        results = list(group)
        done = [result for result in results if result.failed is None]
        title = f"{model}: ms per frame, {options.rounds} rounds of {options.frames} frames"
        yield _table(title, _FRAME_COLUMNS, map(_frame_row, done))
        if any(result.batches for result in done):
            rows = (row for result in done for row in _batch_rows(result))
            yield _table("several targets in one call", _BATCH_COLUMNS, rows)
        yield from (f"{_name(result)} left out: {result.failed}" for result in results if result.failed)


def training_table(speeds: list[TrainingSpeed]) -> Table:
    """Samples per second of a recipe in every precision."""
    rows = (
        [
            speed.precision,
            *(f"{value:.1f}" for value in (speed.loader, speed.step, speed.together)),
            f"{speed.step / speeds[0].step:.2f} x",
            f"{speed.achieved / 1e12:.3g}",
            f"{speed.achieved / speed.peak:.0%}",
        ]
        for speed in speeds
    )
    return _table("samples per second; operations count three forward passes per step", _TRAINING_COLUMNS, rows)


_FRAME_COLUMNS = (
    "engine", "p50", "p95", "p99", "crop", "network", "rest", "speedup", "quartiles", "clip FPS", "GFLOP", "of peak",
    "memory MiB",
)  # fmt: skip
_BATCH_COLUMNS = ("engine", "targets", "ms", "quartiles", "target-frames/s", "TFLOP/s", "of peak")
_TRAINING_COLUMNS = ("precision", "loader", "step", "together", "step speedup", "TFLOP/s", "of peak")


def _table(title: str, columns: Iterable[str], rows: Iterable[list[str]]) -> Table:
    return make_table(columns, rows, title=title)


def _frame_row(result: CaseResult) -> list[str]:
    times, speedup, efficiency = result.times, result.speedup, result.efficiency
    assert times  # the case did not fail
    assert efficiency
    return [
        _name(result),
        *(f"{v:.2f}" for v in (times.p50, times.p95, times.p99, times.crop, times.network, times.rest)),
        *((f"{speedup.median:.2f} x", f"{speedup.low:.2f}-{speedup.high:.2f}") if speedup else ("-", "-")),
        f"{result.end_to_end.median:.0f}" if result.end_to_end else "-",
        f"{efficiency.flops / 1e9:.2f}",
        f"{efficiency.of_peak:.0%}",
        f"{result.memory_mb:.0f}" if result.memory_mb else "-",
    ]


def _batch_rows(result: CaseResult) -> Iterator[list[str]]:
    for batch in result.batches:
        ms, efficiency = batch.milliseconds, batch.efficiency
        yield [
            _name(result),
            str(batch.size),
            f"{ms.median:.2f}",
            f"{ms.low:.2f}-{ms.high:.2f}",
            f"{batch.targets_per_second:.1f}",
            f"{efficiency.flops_per_second / 1e12:.3f}",
            f"{efficiency.of_peak:.0%}",
        ]


def _name(result: CaseResult) -> str:
    return f"{result.engine} {result.precision}"
