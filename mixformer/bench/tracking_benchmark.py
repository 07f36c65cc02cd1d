"""The benchmark of tracking: all engines of a model are in memory at once, and measured in turns."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.bench.cases import REFERENCE, BenchmarkCase, build_engine, prepare_graphs
from mixformer.bench.memory import measure_memory
from mixformer.bench.peak import PeakProbe
from mixformer.bench.schema import (
    FORMAT,
    BatchSpeed,
    BenchmarkOptions,
    BenchmarkReport,
    CaseResult,
    ClipFigures,
    describe_machine,
)
from mixformer.bench.stats import interleave, ratio, spread
from mixformer.bench.stopwatch import TimedTracker, summarize
from mixformer.configs.flops import frame_flops
from mixformer.configs.runtime import Runtime
from mixformer.engines import Engine, select_engine
from mixformer.engines.devices import torch_device, torch_threads, usable_cores
from mixformer.errors import MixFormerError, OutputError, SourceError
from mixformer.run import track
from mixformer.types import Image
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
from mixformer.weights.catalog import find_weights

LONGEST = 100  # largest number of frames of a clip in memory: 600 MB at 1920 x 1080
_FEW = 3  # rounds of long measurements: whole clips, batches

log = logging.getLogger(__name__)
Say = Callable[[str], object]


def measure_tracking(
    cases: Sequence[BenchmarkCase],
    clip: str | Path = DEMO_CLIP,
    box: Sequence[float] = DEMO_BOX,
    options: BenchmarkOptions | None = None,
    *,
    note: str = "",
    on_step: Say = lambda _: None,
) -> BenchmarkReport:
    """Measure engines side by side on one clip.

    The engines of a model take turns, round by round, so that other work on the machine slows all of them alike.

    Args:
        cases: cases of `parse_cases`; those of one model are compared with each other.
        clip: video file; its first 100 frames are used.
        box: x, y, width, height of the target in the first frame, in pixels.
        options: how to measure; None takes the defaults.
        note: remark for the report.
        on_step: function to call with a message before every step.

    Returns:
        The report. A case that cannot run here has the reason in `failed`.

    Raises:
        SourceError: if the clip cannot be read, or has only one frame.
        BoxError: if the box does not fit the clip.
        CheckpointError: if a model does not exist.
        ConfigError: if this machine has no such device.
        OutputError: if exported graphs have no room in the folder for temporary files.

    Example:
        >>> from mixformer.bench import measure_tracking, parse_cases
        >>> cases = parse_cases("mixformerv2_dino_s8", "openvino:bfloat16")
        >>> measure_tracking(cases).results[1].times.p50  # doctest: +SKIP
        8.9
    """
    options = options or BenchmarkOptions()
    options = replace(options, threads=options.threads or usable_cores(), device=torch_device(options.device))
    weights = {case.model: find_weights(case.model) for case in cases}
    frames, figures = _read_clip(Path(clip))
    probe = PeakProbe(options.device, options.threads)
    results: list[CaseResult] = []
    # One model at a time: all its engines are in memory at once, so that they can take turns.
    with torch_threads(options.threads or 1), tempfile.TemporaryDirectory() as folder:
        for model, group in groupby(cases, lambda case: case.model):
            on_step(f"building the engines of {Path(model).name}")
            benchmark = _ModelBenchmark(weights[model], list(group), options, probe, Path(folder))
            results += benchmark.measure(Path(clip), frames, box, on_step)
    machine, today = describe_machine(options.device), date.today().isoformat()
    return BenchmarkReport(FORMAT, today, note, machine, options, figures, probe.best, tuple(results))


def _read_clip(path: Path) -> tuple[list[Image], ClipFigures]:
    """Read the frames of a clip, and measure the time of opening, reading and decoding."""
    seconds = []
    for _ in range(_FEW):
        begin = time.perf_counter()
        with open_video(path, stop=LONGEST) as video:
            frames = [frame.image for frame in video]
        seconds.append(time.perf_counter() - begin)
    if len(frames) < 2:
        raise SourceError(f"{path} has only one frame; give a clip of two or more")
    height, width = frames[0].shape[:2]
    return frames, ClipFigures(path.name, width, height, spread([1e3 * each / len(frames) for each in seconds]))


class _ModelBenchmark:
    """The cases of one model. `results` holds the measurements so far, by title."""

    def __init__(
        self, weights: Path, cases: Sequence[BenchmarkCase], options: BenchmarkOptions, probe: PeakProbe, folder: Path
    ) -> None:
        """Build every engine. `folder` is for exported graphs, and must exist while this object is used."""
        self.options, self.probe = options, probe
        self.starts: dict[str, tuple[Path, Runtime]] = {}
        self.engines: dict[str, Engine] = {}
        self.results: dict[str, CaseResult] = {}
        for case in cases:
            self._build(weights, case, folder)
        self.base = next((title for title in self.engines if self.results[title].engine == REFERENCE), None)

    def _build(self, weights: Path, case: BenchmarkCase, folder: Path) -> None:
        title, name = case.title, Path(case.model).name
        self.results[title] = CaseResult(name, case.engine, case.precision)
        runtime = Runtime(self.options.device, case.engine, case.precision, self.options.threads)
        try:
            path = prepare_graphs(weights, case, folder)
            if case.engine != REFERENCE:
                self._note(title, precision=select_engine(path, runtime).precision)
            self.engines[title], self.starts[title] = build_engine(path, runtime), (path, runtime)
        except OutputError:  # a full disk is no fault of the engine
            raise
        except MixFormerError as error:
            self._note(title, failed=str(error).replace(str(weights), name))  # a report must hold no path

    def measure(self, clip: Path, frames: Sequence[Image], box: Sequence[float], on_step: Say) -> list[CaseResult]:
        """Do all measurements of the options; return the results in the order of the cases."""
        options, engines = self.options, self.engines
        trackers = {title: TimedTracker(engine, frames, box) for title, engine in engines.items()}
        for tracker in trackers.values():
            tracker.run(options.frames)  # warms the engine up
        on_step(f"{options.rounds} rounds of {options.frames} frames, {len(trackers)} engines in turns")
        self._time_updates(trackers)
        on_step("the whole clip with decoding")
        work = {title: partial(_track_clip, engine, clip, box, len(frames)) for title, engine in engines.items()}
        for title, rates in interleave(work, _FEW).items():
            self._note(title, end_to_end=spread(rates))
        if options.batches:
            on_step("several targets at once")
            fast = {title: engine for title, engine in engines.items() if title != self.base}
            for title, batches in measure_batches(fast, options.batches, _FEW, self.probe).items():
                self._note(title, batches=tuple(batches))
        if options.memory:
            # In this process, the memory of one engine cannot be separated from that of the others.
            on_step("the memory of every engine in a process of its own")
            for title, start in self.starts.items():
                try:
                    self._note(title, memory_mb=measure_memory(*start, clip, box))
                except MixFormerError as error:  # keep the other measurements
                    log.warning("%s: %s", title, error)
        return list(self.results.values())

    def _time_updates(self, trackers: dict[str, TimedTracker]) -> None:
        """Measure times, speedups and efficiency. Each round begins with the machine's peak."""
        work = {title: partial(tracker.run, self.options.frames) for title, tracker in trackers.items()}
        found = interleave(work, self.options.rounds, self.probe.measure)
        steps = {title: [np.median(each[:, :2].sum(1)) for each in visits] for title, visits in found.items()}
        for title, visits in found.items():
            flops = frame_flops(self.engines[title].config, reference=title == self.base)
            self._note(
                title,
                times=summarize(np.concatenate(visits)),
                efficiency=self.probe.compare(flops, [float(np.median(each[:, 1])) for each in visits]),
                speedup=ratio(steps[self.base], steps[title]) if self.base and title != self.base else None,
            )

    def _note(self, title: str, **found: Any) -> None:
        self.results[title] = replace(self.results[title], **found)


def _track_clip(engine: Engine, clip: Path, box: Sequence[float], frames: int) -> float:
    """Measure the frames per second from opening the clip to its last box."""
    begin = time.perf_counter()
    count = sum(1 for _ in track(clip, box, model=engine, stop=frames))
    return count / (time.perf_counter() - begin)


def measure_batches(
    engines: dict[str, Engine], sizes: Sequence[int], rounds: int, probe: PeakProbe
) -> dict[str, list[BatchSpeed]]:
    """Time `locate` on several targets at once, engine after engine. Each round begins with the machine's peak."""
    found: dict[str, list[BatchSpeed]] = {name: [] for name in engines}
    for size in sizes:
        work = {name: _timed_batch(engine, size) for name, engine in engines.items()}
        for call in work.values():
            call()
        for name, seconds in interleave(work, rounds, probe.measure).items():
            times = spread([1e3 * each for each in seconds])
            efficiency = probe.compare(size * frame_flops(engines[name].config), seconds)
            found[name].append(BatchSpeed(size, times, 1e3 * size / times.median, efficiency))
    return found


def _timed_batch(engine: Engine, size: int) -> Callable[[], float]:
    """Return a function that locates `size` targets in noise and returns the seconds."""
    random, config = np.random.default_rng(0), engine.config
    templates = random.integers(0, 256, (1, 2, config.template_size, config.template_size, 3), dtype=np.uint8)
    search = random.integers(0, 256, (size, config.search_size, config.search_size, 3), dtype=np.uint8)
    memory = engine.join([engine.remember(templates)] * size)

    def locate() -> float:
        begin = time.perf_counter()
        engine.locate(search, memory)
        return time.perf_counter() - begin

    return locate
