"""`mixformer bench`: measure how fast tracking and training are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from mixformer.cli.console import make_console, print_table
from mixformer.cli.parser import CommandGroup, make_parser
from mixformer.configs.variants import DEFAULT_MODEL

_DESCRIPTION = """Measure how fast tracking or training runs on this machine, next to what its processor can do.

Without a command, the default model is measured in every installed engine.

  mixformer bench
  mixformer bench track --clip clip.mp4 --box 260 29 41 142
  mixformer bench train recipes/dino_s8_boxes.toml
"""
_TRACK = """Measure engines side by side on one clip: time per frame, memory, share of the machine's peak.

All engines of a model are in memory at once and take turns, so that other work on the machine slows all of them
alike. Speedups are ratios within a round, over the reference: the computation of the official code in float32.

  mixformer bench track --engines torch,openvino:float32,openvino:bfloat16,onnx --rounds 15 --json here.json
  mixformer bench track --clip clip.mp4 --box 260 29 41 142
  mixformer bench track --models mixformerv2_b --engines openvino --batch 1 8 64

docs/benchmarks.md explains every column.
"""
_TRAIN = """Measure how fast a recipe trains on this machine; nothing is kept.

Prints samples per second of the loader alone, of the step alone and of both together, and the share of the machine's
peak that the step reaches. If the loader is slower than the step, the step has to wait for it.

  mixformer bench train recipes/dino_s8_boxes.toml
  mixformer bench train recipes/mixvit_stage1.toml --dry-run --set batch_size=8 --precision bfloat16
"""
_EVERY = "torch,torch:bfloat16,onnx,openvino:float32,openvino:bfloat16"


def _track_parser() -> ArgumentParser:
    made = make_parser(_TRACK)

    def option(name: str, kind: Any, default: Any, text: str, **more: Any) -> None:
        made.add_argument(name, type=kind, default=default, help=text, **more)

    option("--models", str, DEFAULT_MODEL, "names, folders or files", metavar="A,B")
    engines = "engines, each alone or as ENGINE:PRECISION; the reference is always measured. See docs/engines.md"
    option("--engines", str, _EVERY, engines, metavar="A,B:PRECISION")
    option("--clip", str | None, None, "video to track; default: the bundled clip", metavar="VIDEO")
    option("--box", float, None, "target in the clip's first frame", nargs=4, metavar=("X", "Y", "W", "H"))
    option("--device", str, "cpu", "cpu, cuda or cuda:N")
    option("--threads", int | None, None, "threads of every engine; default: every core")
    option("--frames", int, 20, "frames measured per engine and round")
    option("--rounds", int, 7, "number of rounds; take more on a busy machine")
    option("--batch", int, [], "also measure this many targets at once", nargs="+", metavar="N")
    made.add_argument("--no-memory", action="store_true", help="leave out the memory of every engine")
    option("--note", str, "", "text kept in the JSON, such as what else ran meanwhile")
    option("--json", Path | None, None, "also write everything to this file", metavar="FILE")
    return made


def _train_parser() -> ArgumentParser:
    made = make_parser(_TRAIN)
    made.add_argument("recipe", type=Path, help="TOML file")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--set", type=str, nargs="+", default=[], metavar="KEY=VALUE", help="recipe fields to change")
    precisions = "precisions to compare: float32, bfloat16, float16 (GPUs)"
    made.add_argument("--precision", type=str, nargs="+", default=["float32", "bfloat16"], help=precisions)
    made.add_argument("--steps", type=int, default=5, help="measured steps; the median counts")
    made.add_argument("--dry-run", action="store_true", help="use made-up pictures instead of the recipe's data")
    made.add_argument("--json", type=Path | None, default=None, metavar="FILE", help="also write the numbers here")
    return made


def _run_track(options: Namespace) -> None:
    from mixformer.bench import BenchmarkOptions, measure_tracking, parse_cases
    from mixformer.cli.bench_tables import tracking_tables
    from mixformer.errors import ConfigError
    from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

    if (options.clip is None) != (options.box is None):
        raise ConfigError("--clip and --box belong together: the target's x, y, width and height in its first frame")
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
    for part in tracking_tables(report):
        print_table(console, part) if isinstance(part, Table) else console.print(part)
    if options.json:
        report.to_file(options.json)


def _run_train(options: Namespace) -> None:
    from mixformer.bench import measure_training
    from mixformer.cli.bench_tables import training_table
    from mixformer.engines.torch_engine import find_device
    from mixformer.files import write_text
    from mixformer.training import Recipe

    recipe = Recipe.from_toml(options.recipe, options.set)
    device = str(find_device(options.device))
    speeds = measure_training(recipe, options.precision, device=device, steps=options.steps, dry_run=options.dry_run)
    print_table(make_console(), training_table(speeds))
    if options.json:
        write_text(options.json, json.dumps([asdict(speed) for speed in speeds], indent=2) + "\n")


_GROUP = CommandGroup(
    _DESCRIPTION,
    {"track": (_track_parser, _run_track), "train": (_train_parser, _run_train)},
    title="what to measure",
    default=lambda: _run_track(_track_parser().parse_args([])),
)
parser, add_inner, run = _GROUP.parser, _GROUP.add_inner, _GROUP.run
