"""Drives workers: gives out numbers, waits, and notes who fell, hung or failed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

from tests.torture.material import quiet_environment
from tests.torture.surfaces import SURFACES

LIMIT = 30.0
"""Seconds that one input may take."""
_START = 300.0


@dataclass
class Finding:
    """An input that went wrong; `mark` repeats it."""

    mark: str
    kind: str
    reason: str
    told: str


@dataclass
class Tally:
    """What became of the inputs of one surface."""

    surface: str
    tried: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)
    slowest: float = 0.0
    seconds: float = 0.0

    def count(self, kind: str) -> int:
        """Findings of a kind: "failed", "hang" or "crash"."""
        return sum(finding.kind == kind for finding in self.findings)

    def kinds(self) -> list[list[Finding]]:
        """Findings that look alike, together."""
        groups: dict[str, list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault(f"{finding.kind} {_shape(finding.reason)}", []).append(finding)
        return list(groups.values())


def _shape(reason: str) -> str:
    """A reason without what differs from input to input."""
    head, _, place = reason.partition(" (")
    return (
        f"{head.split(':')[0]} {place}" if place else "".join(letter for letter in reason[:60] if not letter.isdigit())
    )


class Worker:
    """A process that tries inputs."""

    def __init__(self, seed: int, material: Path) -> None:
        self.base, self.seed, self.material = Path(tempfile.mkdtemp(prefix="torture-")), seed, material
        room = self.base / "room"
        for folder in (room / "home", room / "tmp", room / "cache" / "mpl"):
            folder.mkdir(parents=True)
        self.log = (self.base / "log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.worker", str(seed), str(room), str(material)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=quiet_environment(room),
            start_new_session=True,
        )
        self._rest, self.closed, self._warm = b"", False, set[str]()

    def try_one(self, surface: str, index: int) -> dict[str, Any] | None:
        """The verdict on an input; None if the worker fell or hung."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{surface} {index}\n".encode())
            self.process.stdin.flush()
        if surface not in self._warm:
            if self._answer(_START) is None:
                raise RuntimeError(f"the worker for {surface} did not begin: {self.told()}")
            self._warm.add(surface)
        return self._answer(LIMIT)

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                self.closed = True
                return None
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def fallen(self) -> str:
        """How the process ended, or "" if it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(10 if self.closed else 0.1)
            return signal.Signals(-code).name if code < 0 else f"exit {code}"
        return ""

    def told(self) -> str:
        """The end of what was written to the process's standard error."""
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - 3000))
        return self.log.read().decode(errors="replace")

    def end(self) -> None:
        """Stop it and whatever it started, and clear up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.base, ignore_errors=True)


def try_surface(surface: str, indices: Iterable[int], worker: Worker) -> tuple[Tally, Worker]:
    """Try inputs of a surface one after another; one that falls or hangs is replaced; the last one is returned."""
    tally = Tally(surface)
    for index in indices:
        answer = worker.try_one(surface, index)
        tally.tried += 1
        if answer is None:
            finding, worker = _fell(worker, surface, index)
            tally.findings += [finding] if finding else []
            continue
        tally.slowest = max(tally.slowest, answer["seconds"])
        tally.seconds += answer["seconds"]
        tally.refused += answer["verdict"] == "refused"
        if answer["verdict"] == "failed":
            mark = f"{surface}:{worker.seed}:{index}"
            tally.findings.append(Finding(mark, "failed", answer["reason"], answer["told"]))
    return tally, worker


def _fell(worker: Worker, surface: str, index: int) -> tuple[Finding | None, Worker]:
    """What became of an input without a verdict, and a new worker. What only was slow once is tried again alone."""
    how, told, mark = worker.fallen(), worker.told(), f"{surface}:{worker.seed}:{index}"
    worker.end()
    new = Worker(worker.seed, worker.material)
    if how:
        return Finding(mark, "crash", f"{how}: {_innermost(told)}", ""), new
    again = new.try_one(surface, index)
    if again is None:
        new.end()
        return Finding(mark, "hang", _innermost(told), ""), Worker(worker.seed, worker.material)
    return (None if again["verdict"] != "failed" else Finding(mark, "failed", again["reason"], again["told"])), new


def _innermost(told: str) -> str:
    """The calls in a dump of `faulthandler`, innermost first: of the thread that fell, else of the main thread."""
    threads = told.split("hread 0x")
    fell = [after for before, after in pairwise(threads) if before.endswith("Current t")]
    calls = [
        line.split('File "')[-1] for line in (fell or threads)[-1].splitlines() if line.lstrip().startswith("File ")
    ]
    return " < ".join(calls[:6]) if calls else " ".join(told.split())[-200:]


def try_surfaces(
    counts: dict[str, tuple[int, int]],
    seed: int,
    material: Path,
    jobs: int,
    *,
    shared: bool = False,
    progress: Any = None,
) -> list[Tally]:
    """Try inputs of many surfaces.

    Args:
        counts: first number and count of the inputs of each surface.
        seed: decides the inputs.
        material: the good inputs.
        jobs: workers at a time.
        shared: a worker goes from surface to surface, which saves starting it; else each surface has its own.
        progress: is called with each tally.
    """
    waiting, tallies = list(counts), dict[str, Tally]()

    def work() -> None:
        worker = Worker(seed, material)
        while waiting:
            surface = waiting.pop(0)
            first, count = counts[surface]
            try:
                tallies[surface], worker = try_surface(surface, range(first, first + count), worker)
            except Exception as error:
                fault = Finding(f"{surface}:{seed}:{first}", "crash", f"the bench itself: {error}", "")
                tallies[surface] = Tally(surface, 0, 0, [fault])
            if progress is not None:
                progress(tallies[surface])
            if not shared or not tallies[surface].tried:
                worker.end()
                worker = Worker(seed, material)
        worker.end()

    threads = [Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [tallies[surface] for surface in SURFACES if surface in tallies]
