"""The tables of `mixformer bench track`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.table import Table

from mixformer.bench.goals import Goal, judge
from mixformer.bench.record import Report, Result
from mixformer.bench.stats import Spread

_SEVERAL = "q1-q3: half of the rounds lie between"


def tables(report: Report) -> Iterator[Table | str]:
    """What to print, in order: the machine, then of every model the frames, the machine's use, starts and batches."""
    machine, peaks, settings = report.machine, report.peaks, report.settings
    yield (
        f"{machine.gpu or machine.processor}, {settings.threads} of {machine.cores} cores; best peaks: float32 "
        f"{peaks.float32 / 1e12:.2f} TFLOP/s, bfloat16 {_tera(peaks.bfloat16)} TFLOP/s, reading "
        f"{peaks.bandwidth / 1e9:.1f} GB/s"
    )
    yield (
        f"{settings.clip}, {settings.width} x {settings.height}: reading and decoding takes "
        f"{report.decode.median:.2f} ms a frame, in a thread beside the tracker"
    )
    for _, group in groupby(report.results, lambda result: result.model):
        results = list(group)
        done = [result for result in results if result.failed is None]
        yield _frames(done, report)
        yield _use(done)
        if any(result.batches for result in done):
            yield _batches(done)
        yield from (f"{_name(result)} left out: {result.failed}" for result in results if result.failed)


def goal_table(report: Report) -> Table:
    """The project's goals beside what the report holds."""
    table = Table(title="goals of the project, and this run", title_justify="left")
    for heading in ("goal", "asked", "here", "reached"):
        table.add_column(heading)
    for goal in judge(report):
        table.add_row(goal.what, goal.asked, goal.found, _verdict(goal))
    return table


def _verdict(goal: Goal) -> str:
    return {True: "yes", False: "no", None: "-"}[goal.reached]


def _frames(results: list[Result], report: Report) -> Table:
    """Times of one model."""
    first = results[0] if results else None
    random = first is not None and first.weights == "random"
    title = f"{first.model}{' (random weights, box held in place)' if random else ''}" if first else "nothing ran"
    loaded = any(result.loaded for result in results)
    rounds = f"{report.settings.rounds} rounds of {report.settings.frames} frames"
    table = Table(title=title, title_justify="left", caption=f"ms per frame, {rounds}; {_SEVERAL}")
    table.add_column("engine", no_wrap=True)
    headings = ["p50", "p95", "p99", "crop", "network", "rest", "times plain", "q1-q3", "FPS of clip", "off by px"]
    for heading in headings + ["p95 beside load"] * loaded:
        table.add_column(heading, justify="right")
    for result in results:
        times = result.times
        assert times is not None  # it did not fail
        cells = [f"{v:.2f}" for v in (times.p50, times.p95, times.p99, times.crop, times.network, times.rest)]
        cells += _speedup(result.speedup)
        cells += ["-" if result.end_to_end is None else f"{result.end_to_end.median:.0f}"]
        cells += ["-" if result.pixels is None else f"{result.pixels:.2g}"]
        if result.loaded is not None:
            cells += [f"{result.loaded.p95:.2f} ({result.loaded.p95 / times.p95:.1f} x)"]
        table.add_row(_name(result), *cells)
    return table


def _use(results: list[Result]) -> Table:
    """What the machine gave, start and memory of one model."""
    table = Table(
        caption="of peak: of those in the same rounds, median; start: interpreter, imports, load or compile, first box"
    )
    table.add_column("engine", no_wrap=True)
    headings = ("GFLOP", "TFLOP/s", "of peak", "MB read", "GB/s", "of peak", "start s", "of which", "memory MiB")
    for heading in headings:
        table.add_column(heading, justify="right")
    for result in results:
        reached, start = result.reached, result.startup
        assert reached is not None  # it did not fail
        cells = [f"{reached.flops / 1e9:.2f}", f"{reached.flops_per_second / 1e12:.3f}", _share(reached.of_products)]
        cells += [f"{reached.bytes / 1e6:.0f}", f"{reached.bytes_per_second / 1e9:.1f}", _share(reached.of_bandwidth)]
        if start is None:
            cells += ["-", "-", "-"]
        else:
            parts = (start.interpreter, start.imports, start.load, start.first_frame)
            cells += [f"{start.total:.2f}", ", ".join(f"{part:.2f}" for part in parts)]
            cells += ["-" if start.memory_mb is None else f"{start.memory_mb:.0f}"]
        table.add_row(_name(result), *cells)
    return table


def _batches(results: list[Result]) -> Table:
    """Several targets at once, of one model."""
    table = Table(caption=f"one call of the network for all targets; {_SEVERAL}")
    table.add_column("engine", no_wrap=True)
    for heading in ("targets", "ms", "q1-q3", "target-frames/s", "TFLOP/s", "of peak"):
        table.add_column(heading, justify="right")
    for result in results:
        for batch in result.batches:
            ms, reached = batch.milliseconds, batch.reached
            table.add_row(
                _name(result),
                str(batch.size),
                f"{ms.median:.2f}",
                f"{ms.low:.2f}-{ms.high:.2f}",
                f"{batch.targets_per_second:.1f}",
                f"{reached.flops_per_second / 1e12:.3f}",
                _share(reached.of_products),
            )
    return table


def _name(result: Result) -> str:
    return f"{result.engine} {result.precision}"


def _speedup(speedup: Spread | None) -> list[str]:
    return ["-", "-"] if speedup is None else [f"{speedup.median:.2f} x", f"{speedup.low:.2f}-{speedup.high:.2f}"]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _tera(value: float | None) -> str:
    return "-" if value is None else f"{value / 1e12:.2f}"
