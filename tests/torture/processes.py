"""Running the command line as a process of its own, in a sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.helpers.clips import hear_interrupts
from tests.torture.material import quiet_environment

PATIENCE = 300.0


def start(words: list[str], room: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
    """Start `mixformer WORDS` in `room`/out; its words go to `room`/log. It hears Ctrl-C even if the bench does not."""

    def begin() -> None:
        hear_interrupts()
        if before is not None:
            before()

    for folder in ("out", "home", "tmp", "cache"):
        (room / folder).mkdir(parents=True, exist_ok=True)
    with (room / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mixformer", *words],
            cwd=room / "out",
            env={**quiet_environment(room), "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=begin,
        )


def run(words: list[str], room: Path, before: Callable[[], None] | None = None) -> int:
    """Run it to the end and give the exit code; that of SIGKILL if it does not end."""
    process = start(words, room, before)
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


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


def orphans(session: int, seconds: float = 10.0) -> list[int]:
    """Processes of a session that do not end within some seconds."""
    until = time.monotonic() + seconds
    while (left := family(session)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def files(folder: Path) -> set[str]:
    """Names of all files below a folder."""
    return {os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names}
