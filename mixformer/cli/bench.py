"""`mixformer bench`: measure engines side by side, and print the tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from mixformer.cli.console import make_console, make_table, print_table
from mixformer.cli.parser import add_box, add_flag, add_option, add_overwrite
from mixformer.configs.variants import DEFAULT_MODEL

if TYPE_CHECKING:
    from mixformer.bench.schema import BenchmarkReport, CaseResult

DESCRIPTION = """Measure engines side by side on one clip: time per frame, memory, share of the machine's peak.

Without options, the command measures the default model in every installed engine. The engines take turns, so other work
on the machine slows all of them alike. Speedups are relative to the reference: the computation of the official code in
float32.

  mixformer bench
  mixformer bench --engines torch,openvino:float32,openvino:bfloat16,onnx --rounds 15 --json here.json
  mixformer bench --clip clip.mp4 --box 260 29 41 142
  mixformer bench --models mixformerv2_b --engines openvino --batch 1 8 64

docs/benchmarks.md explains every column.
"""
_EVERY = "torch,torch:bfloat16,onnx,openvino:float32,openvino:bfloat16"
_FRAME_COLUMNS = (
    "engine", "p50", "p95", "crop", "network", "rest", "speedup", "quartiles", "clip FPS", "GFLOP", "of peak",
    "memory MiB",
)  # fmt: skip
_BATCH_COLUMNS = ("engine", "targets", "ms", "quartiles", "target-frames/s", "TFLOP/s", "of peak")


def add_options(made: ArgumentParser) -> None:
    """Add the options of the command."""
    engines = "engines, each alone or as ENGINE:PRECISION; the reference is always measured. See docs/engines.md"
    add_option(made, "--models", str, "names, folders or files", DEFAULT_MODEL, metavar="A,B")
    add_option(made, "--engines", str, engines, _EVERY, metavar="A,B:PRECISION")
    add_option(made, "--clip", str, "video to track; default: the bundled clip", metavar="VIDEO")
    add_box(made, "target in the clip's first frame")
    add_option(made, "--device", str, "cpu, cuda or cuda:N", "cpu")
    add_option(made, "--threads", int, "threads of every engine; default: every core")
    add_option(made, "--frames", int, "frames measured per engine and round", 20)
    add_option(made, "--rounds", int, "number of rounds; take more on a busy machine", 7)
    add_option(made, "--batch", int, "also measure these numbers of targets in one call", [], nargs="+", metavar="N")
    add_flag(made, "--no-memory", "do not measure the memory of every engine")
    add_option(made, "--note", str, "text to store in the JSON, such as other programs that ran", "")
    add_option(made, "--json", Path, "also write everything to this file", metavar="FILE")
    add_overwrite(made)


def run(options: Namespace) -> None:
    """Measure, print and write."""
    from mixformer.bench import BenchmarkOptions, measure_tracking, parse_cases
    from mixformer.errors import ConfigError
    from mixformer.files.places import require_apart, require_place
    from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
    from mixformer.weights.catalog import files_of_model

    if (options.clip is None) != (options.box is None):
        raise ConfigError("--clip and --box belong together: the target's x, y, width and height in its first frame")
    if options.json:
        models = [file for name in options.models.split(",") for file in files_of_model(name.strip())]
        require_apart(options.json, [options.clip or DEMO_CLIP, *models])
        require_place(options.json, options.overwrite)
    how = BenchmarkOptions(
        **{name: options[name] for name in ("frames", "rounds", "threads", "device")},
        batches=tuple(options.batch),
        memory=not options.no_memory,
    )
    cases = parse_cases(options.models, options.engines)
    place = (options.clip or DEMO_CLIP, options.box or DEMO_BOX)
    errors = make_console(stderr=True)
    with errors.status("measuring") as status:
        show = status.update if errors.is_terminal else errors.print
        report = measure_tracking(cases, *place, how, note=options.note, on_step=show)
    console = make_console()
    try:
        for part in _shown(report):
            print_table(console, part) if isinstance(part, Table) else console.print(part)
    finally:  # what took minutes is kept where there is a place for it
        if options.json:
            report.to_file(options.json)


def _shown(report: BenchmarkReport) -> Iterator[Table | str]:
    """Yield what to print, in order: the machine, the clip, then the tables of every model."""
    machine, options, clip = report.machine, report.options, report.clip
    peaks = sorted(report.peaks.items(), key=lambda item: -item[1])
    products = ", ".join(f"{name} {flops / 1e12:.2f}" for name, flops in peaks)
    yield f"{machine.gpu or machine.processor}, {options.threads} of {machine.cores} cores"
    yield f"matrix products, TFLOP/s: {products}; the first is the peak"
    yield f"{clip.name}, {clip.width} x {clip.height}: {clip.decode.median:.2f} ms to read and decode a frame"
    for model, group in groupby(report.results, lambda result: result.model):
        results = list(group)
        title = f"{model}: ms per frame, {options.rounds} rounds of {options.frames} frames"
        yield make_table(_FRAME_COLUMNS, (_frame_row(each) for each in results if not each.failed), title=title)
        if batches := [row for result in results for row in _batch_rows(result)]:
            yield make_table(_BATCH_COLUMNS, batches, title="several targets in one call")
        yield from (f"{_name(result)} left out: {result.failed}" for result in results if result.failed)


def _frame_row(result: CaseResult) -> list[str]:
    times, speedup, efficiency = result.times, result.speedup, result.efficiency
    assert times  # the case did not fail
    assert efficiency
    return [
        _name(result),
        *(f"{v:.2f}" for v in (times.p50, times.p95, times.crop, times.network, times.rest)),
        *((f"{speedup.median:.2f} x", f"{speedup.low:.2f}-{speedup.high:.2f}") if speedup else ("-", "-")),
        f"{result.end_to_end.median:.0f}" if result.end_to_end else "-",
        f"{efficiency.flops / 1e9:.2f}",
        f"{efficiency.of_peak:.0%}",
        f"{result.memory_mb:.0f}" if result.memory_mb else "-",
    ]


def _batch_rows(result: CaseResult) -> Iterator[list[str]]:
    for batch in result.batches:
        ms, efficiency = batch.milliseconds, batch.efficiency
        shown = (f"{batch.size}", f"{ms.median:.2f}", f"{ms.low:.2f}-{ms.high:.2f}", f"{batch.targets_per_second:.1f}")
        yield [_name(result), *shown, f"{efficiency.flops_per_second / 1e12:.3f}", f"{efficiency.of_peak:.0%}"]


def _name(result: CaseResult) -> str:
    return f"{result.engine} {result.precision}"
