"""The benchmark of tracking: all engines of a model in memory at once, measured in turns."""

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
from statistics import median
from typing import Any

import numpy as np

from mixformer.bench.cases import (
    REFERENCE,
    BenchmarkCase,
    build_engine,
    prepare_graphs,
    prepare_weights,
    resolve_precision,
)
from mixformer.bench.machine import describe_machine, usable_cores
from mixformer.bench.peak import Efficiency, PeakProbe, highest, torch_threads
from mixformer.bench.schema import FORMAT, BatchSpeed, BenchmarkOptions, BenchmarkReport, CaseResult, ClipFigures
from mixformer.bench.startup import StartError, measure_startup
from mixformer.bench.stats import interleave, ratio, spread
from mixformer.bench.stopwatch import TimedTracker, summarize
from mixformer.configs.flops import locate_flops, remember_flops
from mixformer.configs.model import ModelConfig
from mixformer.engines import Engine
from mixformer.errors import MixFormerError, SourceError
from mixformer.export.sample_crops import real_crops
from mixformer.imaging.boxes import cxcywh_to_xyxy
from mixformer.run import track
from mixformer.types import Image
from mixformer.video import open_video
from mixformer.video.demo import DEMO_BOX, DEMO_CLIP

LONGEST = 100  # frames of a clip that are kept in memory: 600 MB at 1920 x 1080
_FEW = 3  # rounds of what takes long: whole clips, batches, starts

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
        cases: from `parse_cases`; those of one model are compared with each other.
        clip: video file; its first 100 frames are used.
        box: x, y, width, height of the target in the first frame, in pixels.
        options: how to measure.
        note: kept in the report.
        on_step: called with a message before every step.

    Returns:
        The report; a case that cannot run here has the reason in `failed`.

    Raises:
        SourceError: if the clip cannot be read, or has a single frame.
        BoxError: if the box does not fit the clip.
        CheckpointError: if a model does not exist.
        MissingDependencyError: if a model has no weights here and PyTorch is missing.

    Example:
        >>> from mixformer.bench import measure_tracking, parse_cases
        >>> cases = parse_cases("mixformerv2_dino_s8", "openvino:bfloat16")
        >>> measure_tracking(cases).results[1].times.p50  # doctest: +SKIP
        8.9
    """
    options = options or BenchmarkOptions()
    options = replace(options, threads=options.threads or usable_cores())
    frames, figures = _read_clip(Path(clip))
    results: list[CaseResult] = []
    peaks: list[dict[str, float]] = []
    with torch_threads(options.threads or 1), tempfile.TemporaryDirectory() as folder:
        weights = {case.model: prepare_weights(case.model, Path(folder)) for case in cases}
        for model, group in groupby(cases, lambda case: case.model):
            on_step(f"building the engines of {Path(model).name}")
            benchmark = Benchmark(weights[model], list(group), options, Path(folder))
            results += benchmark.measure(Path(clip), frames, box, on_step)
            peaks += benchmark.peaks
    machine, today = describe_machine(options.device), date.today().isoformat()
    return BenchmarkReport(FORMAT, today, note, machine, options, figures, highest(peaks), tuple(results))


def _read_clip(path: Path) -> tuple[list[Image], ClipFigures]:
    """Frames of a clip, and the time of reading and decoding it, opening included."""
    seconds = []
    for _ in range(_FEW):
        begin = time.perf_counter()
        with open_video(path, stop=LONGEST) as video:
            frames = [frame.image for frame in video]
        seconds.append(time.perf_counter() - begin)
    if len(frames) < 2:
        raise SourceError(f"{path} has a single frame; tracking speed needs two or more")
    height, width = frames[0].shape[:2]
    return frames, ClipFigures(path.name, width, height, spread([1e3 * each / len(frames) for each in seconds]))


class Benchmark:
    """Builds the cases of one model and measures them in turns; `results` holds what was found, by title."""

    def __init__(
        self, weights: tuple[Path, bool], cases: Sequence[BenchmarkCase], options: BenchmarkOptions, folder: Path
    ) -> None:
        """Build every engine; one that cannot be built gets a result with the reason.

        Args:
            weights: from `prepare_weights`; with random ones the box is held in place.
            cases: all of that model.
            options: how to measure.
            folder: for graphs that have to be exported; must stay while this object is used.
        """
        self.weights, self.random = weights
        self.options, self.threads = options, options.threads or usable_cores()
        self.probe = PeakProbe(options.device, self.threads)
        self.peaks: list[dict[str, float]] = []
        self.cases = {case.title: case for case in cases}
        self.paths: dict[str, Path] = {}
        self.engines: dict[str, Engine] = {}
        self.results: dict[str, CaseResult] = {}
        for title, case in self.cases.items():
            self._build(title, case, folder)
        self.base = next((title for title in self.engines if self.cases[title].engine == REFERENCE), None)

    def measure(self, clip: Path, frames: Sequence[Image], box: Sequence[float], on_step: Say) -> list[CaseResult]:
        """Measure everything that the options ask for.

        Args:
            clip: the video file.
            frames: its first frames.
            box: of the target in the first frame.
            on_step: called with a message before every step.

        Returns:
            Results in the order of the cases.
        """
        options = self.options
        trackers = {t: TimedTracker(e, frames, box, hold=self.random) for t, e in self.engines.items()}
        # Boxes first: this warms every engine up as well.
        if self.base and not self.random:
            self._compare_boxes(clip, box)
        on_step(f"{options.rounds} rounds of {options.frames} frames, {len(trackers)} engines in turns")
        self._time_updates(trackers)
        if not self.random:
            on_step("the whole clip with decoding")
            work = {title: partial(_track_clip, e, clip, box, len(frames)) for title, e in self.engines.items()}
            for title, rates in interleave(work, _FEW).items():
                self._note(title, end_to_end=spread(rates))
        if options.batches:
            on_step("several targets at once")
            fast = {title: engine for title, engine in self.engines.items() if title != self.base}
            for title, batches in measure_batches(fast, options.batches, _FEW, self._take_peak).items():
                self._note(title, batches=batches)
        if options.startup:
            on_step("starting every engine in a process of its own")
            self._time_starts(clip, box)
        return list(self.results.values())

    def _take_peak(self) -> dict[str, float]:
        self.peaks.append(self.probe.measure())
        return self.peaks[-1]

    def _build(self, title: str, case: BenchmarkCase, folder: Path) -> None:
        name, runtime = Path(case.model).name, case.runtime(self.options.device, self.threads)
        weights = "random" if self.random else "stored"
        self.results[title] = CaseResult(name, weights, case.engine, case.precision)
        try:
            path = self.paths[title] = prepare_graphs(self.weights, case, folder)
            self._note(title, precision=resolve_precision(path, runtime))
            self.engines[title] = build_engine(path, runtime)
        except MixFormerError as error:
            self._note(title, failed=str(error).replace(str(self.weights), name))  # no path in a report

    def _compare_boxes(self, clip: Path, box: Sequence[float]) -> None:
        """Note the largest difference of a box side from the reference's, on crops that the reference tracked."""
        base = self.engines[str(self.base)]
        crops = real_crops(base, self.options.frames, clip, box)
        for title, engine in self.engines.items():
            sides = []
            for one in (engine, base):
                memory = one.remember(crops.templates[None])
                found = [one.locate(search[None], memory).boxes[0] for search in crops.searches]
                sides.append(cxcywh_to_xyxy(np.array(found)))
            self._note(title, box_difference=float(np.abs(sides[0] - sides[1]).max()) * base.config.search_size)

    def _time_updates(self, trackers: dict[str, TimedTracker]) -> None:
        """Note times, speedups and efficiency; each round begins with the machine's peak."""
        work = {title: partial(tracker.run, self.options.frames) for title, tracker in trackers.items()}
        found = interleave(work, self.options.rounds, self._take_peak)
        steps = {title: [median(each.step for each in visit) for visit in visits] for title, visits in found.items()}
        for title, visits in found.items():
            network = [median(each.network for each in visit) for visit in visits]
            flops = frame_flops(self.engines[title].config, reference=title == self.base)
            self._note(
                title,
                times=summarize([each for visit in visits for each in visit]),
                efficiency=Efficiency.of(flops, network, self.peaks[-self.options.rounds :]),
                speedup=ratio(steps[self.base], steps[title]) if self.base and title != self.base else None,
            )

    def _time_starts(self, clip: Path, box: Sequence[float]) -> None:
        for title in self.engines:
            runtime = self.cases[title].runtime(self.options.device, self.threads)
            try:
                starts = [measure_startup(self.paths[title], runtime, clip, box) for _ in range(_FEW)]
            except StartError as error:  # the rest of the run is worth keeping
                log.warning("%s: %s", title, error)
                continue
            self._note(title, startup=sorted(starts, key=lambda start: start.seconds)[_FEW // 2])

    def _note(self, title: str, **found: Any) -> None:
        self.results[title] = replace(self.results[title], **found)


def frame_flops(config: ModelConfig, *, reference: bool = False) -> int:
    """Operations of a frame, 2 per multiply-add, with a static and an online template.

    Args:
        config: the variant.
        reference: count the official computation: templates too, and every token in the last block.
    """
    if not reference:
        return locate_flops(config)
    return remember_flops(config, full=True) + locate_flops(config, full=True)


def _track_clip(engine: Engine, clip: Path, box: Sequence[float], frames: int) -> float:
    """Frames per second from opening the clip to its last box."""
    begin = time.perf_counter()
    count = sum(1 for _ in track(clip, box, model=engine, stop=frames))
    return count / (time.perf_counter() - begin)


def measure_batches(
    engines: dict[str, Engine], sizes: Sequence[int], rounds: int, take_peak: Callable[[], dict[str, float]]
) -> dict[str, tuple[BatchSpeed, ...]]:
    """Time `locate` on several targets at once, engine after engine in every round.

    Args:
        engines: by name.
        sizes: numbers of targets.
        rounds: timed calls of every engine and size, after one that does not count.
        take_peak: measures the machine, once per round.
    """
    found: dict[str, list[BatchSpeed]] = {name: [] for name in engines}
    for size in sizes:
        work = {name: _timed_batch(engine, size) for name, engine in engines.items()}
        for call in work.values():
            call()
        peaks: list[dict[str, float]] = []
        for name, seconds in interleave(work, rounds, partial(_append, peaks, take_peak)).items():
            efficiency = Efficiency.of(size * frame_flops(engines[name].config), seconds, peaks)
            milliseconds = spread([1e3 * each for each in seconds])
            found[name].append(BatchSpeed(size, milliseconds, 1e3 * size / milliseconds.median, efficiency))
    return {name: tuple(batches) for name, batches in found.items()}


def _append(peaks: list[dict[str, float]], take_peak: Callable[[], dict[str, float]]) -> None:
    peaks.append(take_peak())


def _timed_batch(engine: Engine, size: int) -> Callable[[], float]:
    """A function that locates `size` targets in noise and returns the seconds."""
    random, config = np.random.default_rng(0), engine.config
    templates = random.integers(0, 256, (1, 2, config.template_size, config.template_size, 3), dtype=np.uint8)
    search = random.integers(0, 256, (size, config.search_size, config.search_size, 3), dtype=np.uint8)
    memory = engine.join([engine.remember(templates)] * size)

    def locate() -> float:
        begin = time.perf_counter()
        engine.locate(search, memory)
        return time.perf_counter() - begin

    return locate
