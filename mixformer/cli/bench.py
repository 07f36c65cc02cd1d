"""`mixformer bench`: how fast tracking and training are here."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.status import Status
from rich.table import Table

from mixformer.cli.parser import CommandGroup, make_parser
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.video.demo import DEMO_BOX

if TYPE_CHECKING:
    from mixformer.bench.tracking_speed import Plan

_DESCRIPTION = """Measure how fast tracking or training is on this machine, beside what the machine could do.

  mixformer bench                                       the default model, every engine that is installed
  mixformer bench track --models mixformerv2_s,mixformerv2_b --goals
  mixformer bench train recipes/dino_s8_boxes.toml      loader and training step of a recipe
"""
_TRACK = """Measure engines side by side on one clip: time per frame, start-up, memory, share of the machine's peak.

All engines of a model are in memory at once and take turns, round by round, so that other work on the
machine slows all of them alike; ratios are taken within a round. What they are compared with, "plain", is the
computation of the official code: float32, templates and search region anew for every frame, nothing kept.

  mixformer bench track
  mixformer bench track --engines torch,openvino:float32,openvino:bfloat16,onnx --rounds 15 --json here.json
  mixformer bench track --clip clip.mp4 --box 260 29 41 142 --load
  mixformer bench track --models mixformerv2_b --engines openvino --batch 1 8 64

Models without weights here get random ones: as fast, but the box is held in place. docs/benchmarks.md explains
every column.
"""
_TRAIN = """Measure how fast a recipe trains on this machine; nothing is kept.

Samples per second of the loader alone, of the step alone, and of both together: a loader slower than the step starves
it. Beside them the operations per second that the step reaches and those of a large matrix product measured here.

  mixformer bench train recipes/dino_s8_boxes.toml
  mixformer bench train recipes/mixvit_stage1.toml --smoke --set batch=8 --precision bfloat16
"""
_WIDTH = 140  # of tables in a file or a pipe
_EVERY = "torch,torch:bfloat16,onnx,openvino:float32,openvino:bfloat16"


def _track_parser() -> ArgumentParser:
    made = make_parser(_TRACK)
    made.add_argument("--models", type=str, default=DEFAULT_MODEL, metavar="A,B", help="names, folders or files")
    made.add_argument(
        "--engines",
        type=str,
        default=_EVERY,
        metavar="A,B:PRECISION",
        help="auto, torch, cudagraph, compile, openvino, onnx; each alone or with :float32, :bfloat16, :float16 "
        "or :int8 (openvino). plain is always measured",
    )
    made.add_argument("--clip", type=str | None, default=None, metavar="VIDEO", help="default: the bundled clip")
    made.add_argument(
        "--box", nargs=4, type=float, metavar=("X", "Y", "W", "H"), help="target in the clip's first frame"
    )
    made.add_argument("--device", type=str, default="cpu", help="cpu, cuda or cuda:N")
    made.add_argument("--threads", type=int | None, default=None, help="of every engine; default: every core")
    made.add_argument("--frames", type=int, default=20, help="measured per engine and round")
    made.add_argument("--rounds", type=int, default=7, help="rounds; more of them calm a busy machine's figures")
    made.add_argument(
        "--batch", type=int, nargs="+", default=[], metavar="N", help="also measure this many targets at once"
    )
    made.add_argument("--load", action="store_true", help="also measure beside a process that is busy on one core")
    made.add_argument("--no-startup", action="store_true", help="leave out start-up times and memory")
    made.add_argument("--goals", action="store_true", help="also print what this project set out to reach")
    made.add_argument("--note", type=str, default="", help="kept in the JSON, such as what else ran meanwhile")
    made.add_argument("--json", type=Path | None, default=None, metavar="FILE", help="also write everything here")
    return made


def _train_parser() -> ArgumentParser:
    made = make_parser(_TRAIN)
    made.add_argument("recipe", type=Path, help="TOML file")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument(
        "--set", type=str, nargs="+", default=[], metavar="KEY=VALUE", help="fields of the recipe to change"
    )
    made.add_argument(
        "--precision",
        type=str,
        nargs="+",
        default=["float32", "bfloat16"],
        metavar="NAME",
        help="precisions to compare: float32, bfloat16, float16 (GPUs)",
    )
    made.add_argument("--steps", type=int, default=5, help="measured steps; the median counts")
    made.add_argument("--smoke", action="store_true", help="made-up pictures in the place of the recipe's data")
    made.add_argument("--json", type=Path | None, default=None, help="also write the numbers here")
    return made


def _plan(options: Namespace) -> Plan:
    """What to measure, from the options.

    Raises:
        ConfigError: for an unknown engine or precision, numbers below 1, or a clip without a box.
    """
    from mixformer.bench.candidates import parse_candidates
    from mixformer.bench.contest import Rules
    from mixformer.bench.tracking_speed import Plan
    from mixformer.errors import ConfigError
    from mixformer.video.demo import DEMO_CLIP

    if (options.clip is None) != (options.box is None):
        raise ConfigError("--clip and --box belong together: the target's x, y, width and height in its first frame")
    rules = Rules(
        frames=options.frames,
        rounds=options.rounds,
        threads=options.threads,
        device=options.device,
        batches=tuple(options.batch),
        load=options.load,
        startup=not options.no_startup,
    )
    candidates = parse_candidates(options.models, options.engines)
    return Plan(candidates, Path(options.clip or DEMO_CLIP), tuple(options.box or DEMO_BOX), rules, options.note)


def _run_track(options: Namespace) -> None:
    from mixformer.bench.tracking_speed import measure_tracking
    from mixformer.cli.bench_tables import goal_table, tables

    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH
    with _telling():
        report = measure_tracking(_plan(options))
    for table in tables(report):
        console.print(table)
    if options.goals:
        console.print(goal_table(report))
    if options.json:
        report.to_file(options.json)


class _Tell(logging.Handler):
    """Shows the last message beside a spinner, or every message as a line where there is no terminal."""

    def __init__(self, console: Console, status: Status) -> None:
        super().__init__(logging.INFO)
        self._console, self._status = console, status

    def emit(self, record: logging.LogRecord) -> None:
        """Show it."""
        if self._console.is_terminal:
            self._status.update(record.getMessage())
        else:
            self._console.print(record.getMessage(), markup=False)


@contextmanager
def _telling() -> Iterator[None]:
    """What the measurement says goes to standard error."""
    console, source = Console(stderr=True, highlight=False, soft_wrap=True), logging.getLogger("mixformer.bench")
    level = source.level
    with console.status("measuring") as status:
        teller = _Tell(console, status)
        source.addHandler(teller)
        source.setLevel(logging.INFO)
        source.propagate = False
        try:
            yield
        finally:
            source.removeHandler(teller)
            source.setLevel(level)
            source.propagate = True


def _run_train(options: Namespace) -> None:
    from mixformer.bench.training_speed import measure_training
    from mixformer.engines.torch_engine import find_device
    from mixformer.training.recipe import Recipe

    recipe = Recipe.from_toml(options.recipe, options.set)
    device = str(find_device(options.device))
    found = measure_training(recipe, tuple(options.precision), device=device, steps=options.steps, smoke=options.smoke)
    table = Table(caption="samples/s; operations count 2 per multiply-add, three forward passes per step")
    for heading in ("precision", "loader", "step", "together", "step against first", "TFLOP/s", "peak", "reached"):
        table.add_column(heading, justify="right")
    for speed in found:
        table.add_row(
            speed.precision,
            f"{speed.loader:.1f}",
            f"{speed.step:.1f}",
            f"{speed.together:.1f}",
            f"{speed.step / found[0].step:.2f} x",
            f"{speed.achieved / 1e12:.3g}",
            f"{speed.peak / 1e12:.3g}",
            f"{speed.achieved / speed.peak:.0%}",
        )
    Console(soft_wrap=True).print(table)
    if options.json:
        options.json.write_text(json.dumps([asdict(speed) for speed in found], indent=2) + "\n")


_GROUP = CommandGroup(
    _DESCRIPTION,
    {"track": (_track_parser, _run_track), "train": (_train_parser, _run_train)},
    title="what to measure",
    default=lambda: _run_track(_track_parser().parse_args([])),
)
parser, add_inner, run = _GROUP.parser, _GROUP.add_inner, _GROUP.run
