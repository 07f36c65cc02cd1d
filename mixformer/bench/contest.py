"""The candidates of one model against each other: all in memory at once, measured in turns."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mixformer.bench.candidates import PLAIN, Candidate, Weights, build_engine, chosen_precision, place_of
from mixformer.bench.clip import Clip
from mixformer.bench.machine import usable_cores
from mixformer.bench.peaks import Peaks, measure_peaks
from mixformer.bench.record import Result, Times
from mixformer.bench.session import FrameTime, Session
from mixformer.bench.startup import StartError, measure_startup
from mixformer.bench.stats import interleave, percentile, ratio, spread
from mixformer.bench.surroundings import busy_core
from mixformer.bench.throughput import measure_batches, reached
from mixformer.bench.work import frame_bytes, frame_flops, plain_bytes, plain_flops
from mixformer.configs.base_config import BaseConfig
from mixformer.engines import Engine
from mixformer.errors import MixFormerError
from mixformer.run import track

log = logging.getLogger(__name__)
_FEW = 3  # rounds of what takes long: whole clips, batches, starts


@dataclass(frozen=True)
class Rules(BaseConfig):
    """How candidates are measured.

    Attributes:
        frames: measured per visit.
        rounds: visits of every candidate.
        threads: for every engine; None takes every core this process may use.
        device: as in `create_engine`.
        batches: numbers of targets at once.
        load: measure once more with another process busy on one core.
        startup: time starts in processes of their own.

    Raises:
        ConfigError: for a number below 1.
    """

    frames: int = 20
    rounds: int = 7
    threads: int | None = None
    device: str = "cpu"
    batches: tuple[int, ...] = ()
    load: bool = False
    startup: bool = True

    def __post_init__(self) -> None:
        for name in ("frames", "rounds", "threads"):
            value = getattr(self, name)
            self._require(value is None or value >= 1, f"{name} must be a whole number above 0, not {value}")
        self._require(all(size >= 1 for size in self.batches), f"targets at once are 1 or more, not {self.batches}")


class Contest:
    """Builds the candidates of one model, measures them, and keeps what was found in `results`, by title."""

    def __init__(
        self, weights: Weights, candidates: Sequence[Candidate], clip: Clip, rules: Rules, folder: Path
    ) -> None:
        """Build every engine; one that cannot be built gets a result with the reason.

        Args:
            weights: of the model.
            candidates: all of that model.
            clip: what is tracked.
            rules: how to measure.
            folder: for graphs that have to be exported; must stay while this object is used.
        """
        self.weights, self.clip, self.rules = weights, clip, rules
        self.peaks: list[Peaks] = []
        self.hold = weights.origin == "random"
        self.threads = rules.threads or usable_cores()
        self.candidates = {candidate.title: candidate for candidate in candidates}
        self.places: dict[str, Path] = {}
        self.engines: dict[str, Engine] = {}
        self.results: dict[str, Result] = {}
        for title, candidate in self.candidates.items():
            self._build(title, candidate, folder)

    def measure(self) -> list[Result]:
        """Everything; the results are in the order of the candidates.

        Raises:
            BoxError: if the target's box does not fit the clip.
        """
        rules, sessions = self.rules, self._sessions()
        self._measure_differences(sessions)
        self._measure_frames(sessions)
        if rules.load:
            log.info("the same beside a busy process")
            with busy_core():
                for title, times in self._visits(sessions).items():
                    self._note(title, loaded=times_of([each for visit in times for each in visit]))
        if not self.hold:
            self._measure_whole_clip()
        if rules.batches:
            fast = {t: (e, self.results[t].precision) for t, e in self.engines.items() if not self._plain(t)}
            for title, batches in measure_batches(fast, rules.batches, _FEW, self._take_peaks).items():
                self._note(title, batches=batches)
        if rules.startup:
            self._measure_starts()
        return list(self.results.values())

    def _build(self, title: str, candidate: Candidate, folder: Path) -> None:
        log.info("building %s", title)
        name = title.split(" ", maxsplit=1)[0]
        self.results[title] = Result(name, self.weights.origin, candidate.engine, candidate.precision)
        runtime = candidate.runtime(self.rules.device, self.threads)
        try:
            path = self.places[title] = place_of(self.weights, candidate, folder)
            self._note(title, precision=chosen_precision(path, runtime))
            self.engines[title] = build_engine(path, runtime)
        except MixFormerError as error:
            self._note(title, failed=str(error).replace(str(self.weights.path), name))  # no path in a report

    def _sessions(self) -> dict[str, Session]:
        return {t: Session(e, self.clip.frames, self.clip.box, self.hold) for t, e in self.engines.items()}

    def _measure_differences(self, sessions: dict[str, Session]) -> None:
        """Largest difference of a box side from the plain computation's, on the same crops; warms everything up too."""
        base = next((title for title in sessions if self._plain(title)), None)
        if base is None:
            for session in sessions.values():
                session.visit(3)
            return
        states = sessions[base].states(min(self.rules.frames, len(self.clip.frames) - 1))
        expected = sessions[base].boxes(states)
        for title, session in sessions.items():
            found = session.boxes(states)
            pairs = zip(found, expected, strict=True)
            self._note(title, pixels=max(abs(a - b) for one, two in pairs for a, b in zip(one, two, strict=True)))

    def _take_peaks(self) -> Peaks:
        self.peaks.append(measure_peaks(self.rules.device, self.threads))
        return self.peaks[-1]

    def _visits(self, sessions: dict[str, Session]) -> dict[str, list[list[FrameTime]]]:
        """Frame times of every round, each of which begins with the machine's peaks."""
        work = {title: partial(session.visit, self.rules.frames) for title, session in sessions.items()}
        return interleave(work, self.rules.rounds, self._take_peaks)

    def _measure_frames(self, sessions: dict[str, Session]) -> None:
        log.info("%d rounds of %d frames, %d engines in turns", self.rules.rounds, self.rules.frames, len(sessions))
        visits = self._visits(sessions)
        peaks = self.peaks[-self.rules.rounds :]
        base = next((title for title in sessions if self._plain(title)), None)
        for title, found in visits.items():
            config, precision = self.engines[title].config, self.results[title].precision
            cost = plain_flops(config), plain_bytes(config)
            if not self._plain(title):
                cost = frame_flops(config), frame_bytes(config, precision)
            network = [percentile([frame.network for frame in visit], 0.5) for visit in found]
            speedup = ratio(_steps(visits[base]), _steps(found)) if base and title != base else None
            self._note(
                title,
                times=times_of([each for visit in found for each in visit]),
                reached=reached(*cost, network, peaks, precision),
                speedup=speedup,
            )

    def _measure_whole_clip(self) -> None:
        log.info("the whole clip with decoding")
        work: dict[str, Callable[[], float]] = {
            title: partial(self._track_clip, engine) for title, engine in self.engines.items()
        }
        for title, rates in interleave(work, _FEW).items():
            self._note(title, end_to_end=spread(rates))

    def _track_clip(self, engine: Engine) -> float:
        """Frames per second from opening the clip to its last box."""
        begin = time.perf_counter()
        count = sum(1 for _ in track(self.clip.path, self.clip.box, model=engine, stop=len(self.clip.frames)))
        return count / (time.perf_counter() - begin)

    def _measure_starts(self) -> None:
        for title in self.engines:
            log.info("starting %s in a process of its own", title)
            where = self.places[title], self.candidates[title].runtime(self.rules.device, self.threads)
            try:
                starts = [measure_startup(*where, self.clip.path, self.clip.box) for _ in range(_FEW)]
            except StartError as error:  # the rest of the run is worth keeping
                log.warning("%s: %s", title, error)
                continue
            self._note(title, startup=sorted(starts, key=lambda start: start.total)[_FEW // 2])

    def _plain(self, title: str) -> bool:
        return self.candidates[title].engine == PLAIN

    def _note(self, title: str, **found: Any) -> None:
        self.results[title] = replace(self.results[title], **found)


def times_of(frames: Sequence[FrameTime]) -> Times:
    """Percentiles of whole updates and medians of their parts, in milliseconds."""
    totals = [1e3 * frame.total for frame in frames]
    parts = (
        [1e3 * value for value in part] for part in zip(*((f.crop, f.network, f.rest) for f in frames), strict=True)
    )
    return Times(*(percentile(totals, share) for share in (0.5, 0.95, 0.99)), *(percentile(p, 0.5) for p in parts))


def _steps(visits: Sequence[Sequence[FrameTime]]) -> list[float]:
    """Median seconds of network and crop in each round."""
    return [percentile([frame.step for frame in visit], 0.5) for visit in visits]
