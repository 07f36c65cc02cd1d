"""Running the command line as a process of its own, in a sandbox."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.helpers.clips import hear_interrupts
from tests.torture.material import quiet_environment

PATIENCE = 600.0
_LONGEST = 20  # times the seconds that something may take, whatever it waits for
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.torture.loaded"])


class Command:
    """`mixformer WORDS` in `room`/out; its words go to `room`/log. It hears Ctrl-C even if the bench does not.

    It is forked from a process that has loaded the libraries, since loading takes most of the time of a short command.
    A `cold` one starts as every other process, to be killed while it loads. No file gets longer than `longest`.
    """

    def __init__(self, words: list[str], room: Path, *, longest: int | None = None, cold: bool = False) -> None:
        for folder in ("out", "home", "tmp", "cache"):
            (room / folder).mkdir(parents=True, exist_ok=True)
        self._process: Any = _cold(words, room) if cold else _SERVER.Process(target=_begin, args=(words, room, longest))
        if not cold:
            self._process.start()
        self.pid: int = self._process.pid

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, or None if it still runs after so many seconds."""
        if isinstance(self._process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.returncode
        self._process.join(seconds)
        code: int | None = self._process.exitcode
        return code

    def ends(self, seconds: float) -> bool:
        """Whether it ends within so many seconds, as `in_time` counts them."""
        return in_time(self.pid, seconds, lambda left: self.wait(left) is not None)

    def kill(self) -> None:
        """End it and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


def _cold(words: list[str], room: Path) -> subprocess.Popen[bytes]:
    with (room / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mixformer", *words],
            cwd=room / "out",
            env={**quiet_environment(room), "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=hear_interrupts,
        )


def _begin(words: list[str], room: Path, longest: int | None) -> None:
    """What a forked process does: it makes itself as if it had been started, and becomes the command."""
    os.setsid()
    with (room / "log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(quiet_environment(room))
    os.chdir(room / "out")
    tempfile.tempdir = None
    if longest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))
    sys.argv = ["mixformer", *words]
    try:
        runpy.run_module("mixformer", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def run(words: list[str], room: Path, longest: int | None = None) -> int:
    """Run it to the end and give the exit code; that of SIGKILL if it does not end."""
    process = Command(words, room, longest=longest)
    if not process.ends(PATIENCE):
        process.kill()
        return -signal.SIGKILL
    return process.wait() or 0


def said(room: Path) -> str:
    """What the last process printed."""
    return (room / "log").read_text(errors="replace")


def family(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def waiting(session: int) -> float:
    """Seconds in which the threads of a session were ready and no processor was free; 0 where Linux does not count."""
    total = 0
    for process in family(session):
        for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(path.read_text().split()[1])
    return total / 1e9


def in_time(session: int, seconds: float, done: Callable[[float], bool]) -> bool:
    """Ask `done`, which may wait as long as it is told, until it says yes, for so many seconds.

    Seconds in which the processes of the session wait for a busy processor do not count.
    """
    begin = last = time.monotonic()
    allowed, waited = seconds, None
    while (left := begin + min(allowed, _LONGEST * seconds) - time.monotonic()) > 0:
        if done(min(left, 1.0)):
            return True
        before, waited, since, last = waited, waiting(session), last, time.monotonic()
        allowed += 0.0 if before is None else min(last - since, max(0.0, waited - before))
    return False


def orphans(session: int, seconds: float = 10.0) -> list[int]:
    """Processes of a session that do not end within some seconds, as `in_time` counts them."""
    in_time(session, seconds, lambda _: not family(session) or time.sleep(0.1) is not None)
    return family(session)


def files(folder: Path) -> set[str]:
    """Names of all files below a folder."""
    return {os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names}
