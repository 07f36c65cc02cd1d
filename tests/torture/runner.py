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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.torture.material import quiet_environment
from tests.torture.processes import in_time
from tests.torture.surfaces import SURFACES
from tests.torture.tally import Finding, Kept, Tally

LIMIT = 30.0
"""Seconds that one input may take, as `in_time` counts them."""
_START = 300.0


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
        out = self.process.stdout
        assert out is not None
        while b"\n" not in self._rest:
            if not in_time(self.process.pid, seconds, lambda left: bool(select.select([out], [], [], left)[0])):
                return None
            got = os.read(out.fileno(), 65536)
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


def try_surface(surface: str, first: int, count: int, worker: Worker, kept: Kept) -> tuple[Tally, Worker]:
    """Try those of the inputs of a surface that were not tried yet, one after another.

    A worker that falls or hangs is replaced; the last one is returned.
    """
    tally = kept.tally(surface)
    for index in range(first + tally.tried, first + count):
        answer = worker.try_one(surface, index)
        if answer is None:
            finding, worker = _fell(worker, surface, index)
            tally.findings += [finding] if finding else []
        else:
            tally.slowest = max(tally.slowest, answer["seconds"])
            tally.seconds += answer["seconds"]
            tally.refused += answer["verdict"] == "refused"
            if answer["verdict"] == "failed":
                mark = f"{surface}:{worker.seed}:{index}"
                tally.findings.append(Finding(mark, "failed", answer["reason"], answer["told"]))
        tally.tried += 1
        kept.save()
        if kept.stopped:
            break
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
    kept: Kept,
    material: Path,
    jobs: int,
    *,
    shared: bool = False,
    progress: Any = None,
) -> list[Tally]:
    """Try inputs of many surfaces.

    Args:
        counts: first number and count of the inputs of each surface.
        kept: the seed, which decides the inputs, and what was tried.
        material: the good inputs.
        jobs: workers at a time.
        shared: a worker goes from surface to surface, which saves starting it; else each surface has its own.
        progress: is called with each tally.
    """
    tallies = {name: kept.tally(name) for name in counts if kept.tally(name).tried >= counts[name][1]}
    waiting = [name for name in counts if name not in tallies]

    def work() -> None:
        worker = Worker(kept.seed, material)
        while waiting and not kept.stopped:
            surface = waiting.pop(0)
            first, count = counts[surface]
            try:
                tallies[surface], worker = try_surface(surface, first, count, worker, kept)
            except Exception as error:
                tallies[surface] = kept.tally(surface)
                mark = f"{surface}:{kept.seed}:{first + tallies[surface].tried}"
                tallies[surface].findings.append(Finding(mark, "crash", f"the bench itself: {error}", ""))
                worker.end()
                worker = Worker(kept.seed, material)
            kept.save(now=True)
            if progress is not None:
                progress(tallies[surface])
            if not shared:
                worker.end()
                worker = Worker(kept.seed, material)
        worker.end()

    at_once([work] * jobs, kept)
    return [tallies[surface] for surface in SURFACES if surface in tallies]


def at_once(works: list[Callable[[], None]], kept: Kept) -> None:
    """Run works in threads. Ctrl-C, SIGTERM or an error lets them finish what they try now."""
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work) for work in works]
        try:
            for each in running:
                each.result()
        finally:
            kept.stopped |= not all(each.done() for each in running)
