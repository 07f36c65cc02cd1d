"""Everything that is measured on an NVIDIA GPU, unattended: `benchmarks/gpu.sh` runs it.

Each part is written to the JSON file as soon as it is done. Run again, it keeps the parts that are there and tries
those that failed. The exit code is 0 only if no part failed; the reasons are in the file.

  python benchmarks/gpu.py --out gpu.json
  python benchmarks/gpu.py --out smoke.json --device cpu --smoke       the logic alone, with tiny networks
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training import measure_training  # the script beside this one

from mixformer.bench import BenchmarkOptions, measure_tracking, parse_cases
from mixformer.bench.cases import build_engine
from mixformer.bench.peak import PeakProbe
from mixformer.bench.schema import describe_machine
from mixformer.bench.stats import interleave, ratio, spread
from mixformer.bench.tracking_benchmark import measure_batches
from mixformer.configs.model import ModelConfig
from mixformer.configs.variants import DEFAULT_MODEL, MODELS
from mixformer.engines import Engine, Runtime
from mixformer.errors import CheckpointError
from mixformer.models import build_model
from mixformer.training.recipe import Recipe
from mixformer.weights.catalog import find_weights
from mixformer.weights.load_save import save_model

FORMAT = 1
EAGER = "torch:bfloat16"
ENGINES = ("torch:float32", EAGER, "cudagraph:bfloat16", "cudagraph:float16", "compile:bfloat16")
TINY = ModelConfig("tiny", depth=2, dim=64, heads=2, search_size=64, template_size=32, bins=16)


@dataclass(frozen=True)
class Scale:
    """How much is measured: the real thing, or a look whether it runs."""

    models: tuple[str, ...] = ("mixformerv2_b", "mixformerv2_s", DEFAULT_MODEL)
    engines: tuple[str, ...] = ENGINES
    steps: int = 200
    rounds: int = 15
    batches: tuple[int, ...] = (1, 8, 64, 256)
    recipe: str = 'model = "mixformerv2_b"\nbatch_size = 32\n[data]\nworkers = 8\n'
    side: int = 8192
    memory: bool = True


SMOKE = Scale(
    models=("tiny",),
    engines=("torch:float32", EAGER),
    steps=2,
    rounds=2,
    batches=(1, 3),
    recipe='model = "mixformerv2_s"\nbatch_size = 2\n[model_overrides]\ndepth = 1\ndim = 32\nheads = 2\n'
    "search_size = 64\ntemplate_size = 32\n[data]\nworkers = 0\n",
    side=64,
    memory=False,
)


class Run:
    """One run of all parts into a file."""

    def __init__(self, scale: Scale, device: str, folder: Path) -> None:
        self.scale, self.device, self.folder = scale, device, folder
        self.probe = PeakProbe(device, side=scale.side)

    def parts(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """What there is to measure, by name, in the order of its worth."""
        parts: dict[str, Callable[[], dict[str, Any]]] = {"peaks": self.probe.measure}
        for model in self.scale.models:
            parts[f"{model} steps"] = partial(self.steps, model)
            parts[f"{model} batches"] = partial(self.batches, model)
        parts["tracking"] = self.tracking
        parts["training"] = self.training
        return parts

    def steps(self, model: str) -> dict[str, Any]:
        """Steps per second at batch 1, from a crop in host memory to a box there, engine after engine in turns."""
        engines, left_out = self.engines(model)
        work = {name: _Steps(engine, self.scale.steps) for name, engine in engines.items()}
        for step in work.values():
            step()
        rounds = interleave(work, self.scale.rounds)
        found: dict[str, Any] = {
            name: {
                "milliseconds": spread([1e3 * each for each in seconds]).to_dict(),
                "steps_per_second": 1 / spread(seconds).median,
                "times_eager": ratio(rounds[EAGER], seconds).to_dict() if EAGER in rounds else None,
            }
            for name, seconds in rounds.items()
        }
        return {"engines": found, "left_out": left_out}

    def batches(self, model: str) -> dict[str, Any]:
        """Target-frames per second of many targets, beside a matrix product measured now."""
        engines, left_out = self.engines(model)
        found = measure_batches(engines, self.scale.batches, self.scale.rounds, self.probe)
        sizes = {name: [batch.to_dict() for batch in batches] for name, batches in found.items()}
        return {"engines": sizes, "left_out": left_out}

    def tracking(self) -> dict[str, Any]:
        """The report of `mixformer bench` on the bundled clip."""
        model = str(self.weights(self.scale.models[-1]))
        frames, rounds = min(20, self.scale.steps), min(7, self.scale.rounds)
        options = BenchmarkOptions(device=self.device, frames=frames, rounds=rounds, memory=self.scale.memory)
        report = measure_tracking(parse_cases(model, ",".join(self.scale.engines)), options=options).to_dict()
        failed = {
            f"{each['engine']}:{each['precision']}": each["failed"] for each in report["results"] if each["failed"]
        }
        return {**report, "left_out": failed}

    def training(self) -> dict[str, Any]:
        """Samples per second of a training step."""
        file = self.folder / "recipe.toml"
        file.write_text(self.scale.recipe)
        precisions = ("float32", "bfloat16")
        recipe = Recipe.from_toml(file, [])
        found = measure_training(recipe, precisions, device=self.device, steps=self.scale.rounds, dry_run=True)
        return {"engines": {speed.precision: asdict(speed) for speed in found}}

    def engines(self, model: str) -> tuple[dict[str, Engine], dict[str, str]]:
        """The engines that can be built, and why others cannot."""
        path, found, left_out = self.weights(model), dict[str, Engine](), dict[str, str]()
        for name in self.scale.engines:
            engine, precision = name.split(":")
            try:
                found[name] = build_engine(path, Runtime(self.device, engine, precision, torch.get_num_threads()))
            except Exception as error:
                left_out[name] = f"{type(error).__name__}: {error}"
        return found, left_out

    def weights(self, model: str) -> Path:
        """Those of the package, else random ones."""
        ready = self.folder / model
        if ready.is_dir():
            return ready
        try:
            return find_weights(model)
        except CheckpointError:
            torch.manual_seed(0)
            return save_model(build_model({TINY.name: TINY, **MODELS}[model]), ready)


class _Steps:
    """A number of steps of an engine; calling it gives the seconds of one."""

    def __init__(self, engine: Engine, count: int) -> None:
        random, config = np.random.default_rng(0), engine.config
        templates, search = ((1, 2, *[config.template_size] * 2, 3), (1, *[config.search_size] * 2, 3))
        self._engine, self._count = engine, count
        self._memory = engine.remember(random.integers(0, 256, templates, dtype=np.uint8))
        self._search = random.integers(0, 256, search, dtype=np.uint8)

    def __call__(self) -> float:
        begin = time.perf_counter()
        for _ in range(self._count):
            self._engine.locate(self._search, self._memory)  # which ends with the box in host memory
        return (time.perf_counter() - begin) / self._count


def measure(run: Run, out: Path, again: bool) -> list[str]:
    """Every part that is not there yet; returns what failed."""
    kept = {} if again or not out.is_file() else json.loads(out.read_text())["parts"]
    parts = {name: part for name, part in kept.items() if "failed" not in part and not part.get("left_out")}
    for name, work in run.parts().items():
        if name not in parts:
            parts[name] = attempt(name, work)
        machine = describe_machine(run.device).to_dict()
        content = {"format": FORMAT, "date": date.today().isoformat(), "device": run.device, "machine": machine}
        partial_file = out.with_suffix(".part")
        partial_file.write_text(json.dumps({**content, "parts": parts}, indent=1) + "\n")
        partial_file.replace(out)
    return [name for name, part in parts.items() if "failed" in part or part.get("left_out")]


def attempt(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a part found, or why it failed."""
    print(f"{name} ...", flush=True)
    begin = time.perf_counter()
    try:
        found = work()
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    print(f"    {time.perf_counter() - begin:.0f} s", flush=True)
    return found


def goals(parts: dict[str, Any]) -> list[str]:
    """The project's goals on a GPU beside what was found."""
    lines = []
    steps = parts.get("mixformerv2_b steps", {}).get("engines", {})
    fast = {name: each for name, each in steps.items() if not name.startswith("torch")}
    if fast:
        name, best = max(fast.items(), key=lambda pair: pair[1]["steps_per_second"])
        rate, times = best["steps_per_second"], (best["times_eager"] or {"median": float("nan")})["median"]
        lines.append(f"mixformerv2_b {name}: {rate:.0f} steps/s (asked: 2000), {times:.1f} x eager (asked: 5)")
    for name, batches in parts.get("mixformerv2_b batches", {}).get("engines", {}).items():
        for batch in batches:
            share = batch["efficiency"]["of_peak"]
            if batch["size"] == 64:
                lines.append(f"mixformerv2_b {name}: batch 64 reaches {share:.0%} of the matrix peak (asked: 40 %)")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Measure, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="file to write, and to go on from")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu with --smoke")
    parser.add_argument("--smoke", action="store_true", help="tiny networks and few rounds: does the script run?")
    parser.add_argument("--again", action="store_true", help="measure also what is in the file already")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        scale = SMOKE if options.smoke else Scale()
        failed = measure(Run(scale, options.device, Path(folder)), options.out, options.again)
    for line in goals(json.loads(options.out.read_text())["parts"]):
        print(line)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
