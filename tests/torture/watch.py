"""Watching an input: files, network, processes, memory, and what is told to whom."""

from __future__ import annotations

import gc
import os
import resource
import sys
from pathlib import Path
from typing import Any

from tests.torture.room import TOKEN, Room

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MOVES = {
    "os.remove": (0,), "os.rename": (0, 1), "os.mkdir": (0,), "os.rmdir": (0,), "os.truncate": (0,), "os.link": (1,),
    "os.symlink": (1,),
}  # fmt: skip
"""Events that change a path, and which of their arguments name it."""
_CALLS = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
_MORE_MEMORY = 1_000_000  # kilobytes that one input may add to the largest size of the process


class Watch:
    """Looks at what Python opens, moves, starts and calls, and at the folders around the input."""

    def __init__(self, room: Room) -> None:
        self.room, self.on, self.found = room, False, list[str]()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            self._opened(arguments)
        elif event in _MOVES:
            for place in _MOVES[event]:
                self._written(arguments[place], event)
        elif event == "socket.connect" and isinstance(
            arguments[1], str | bytes
        ):  # a socket file, as of loader processes
            self._written(arguments[1], event)
        elif event in _CALLS and arguments[:1] != ("uname",):  # how Python's `platform` asks for the processor
            self.found.append(f"{event} {arguments!r:.200}")

    def _opened(self, arguments: tuple[Any, ...]) -> None:
        path, _, flags = arguments
        if isinstance(path, int):
            return
        if isinstance(flags, int) and flags & _WRITING:
            self._written(path, "open for writing")

    def _written(self, path: Any, how: str) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            full = os.path.realpath(os.path.join(os.getcwd(), os.fsdecode(path)))
            if not full.startswith(self._may):
                self.found.append(f"{how}: {full}")

    def begin(self) -> None:
        """Remember how things are."""
        places = (self.room.out, self.room.cache, self.room.base / "tmp", Path("/dev"), Path("/proc"))
        self._may = tuple(str(path) for path in places)
        self.found, self.on = [], True
        self._trees = self._tree()
        self._memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def end(self, printed: str) -> list[str]:
        """What is wrong now."""
        self.on = False
        wrong = [f"touched outside its folder: {each}" for each in dict.fromkeys(self.found)]
        before, after = self._trees, self._tree()
        if before != after:
            gc.collect()
            after = self._tree()
        rest = str(self.room.base / "tmp")  # what an earlier input left to the garbage collector may go from there
        changed = sorted(
            path
            for path in before.keys() | after.keys()
            if before.get(path) != after.get(path) and (path in after or not path.startswith(rest))
        )
        wrong += [f"changed: {path}" for path in changed[:4]]
        wrong += [f"read {path.name}" for path in self.room.secret.iterdir() if path.stat().st_atime != 1]
        wrong += [f"{path} holds what a secret file holds" for path in self._leaks()]
        if TOKEN in printed:
            wrong.append("printed what a secret file holds")
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._memory
        if more > _MORE_MEMORY:
            wrong.append(f"took {more // 1000} MB")
        return wrong

    def _tree(self) -> dict[str, tuple[int, int]]:
        """Size and time of everything in the room that is not to be written."""
        found: dict[str, tuple[int, int]] = {}
        for top in (self.room.given, self.room.base / "home", self.room.base / "tmp", self.room.secret):
            for folder, names, files in os.walk(top):
                for name in (*names, *files):
                    path = os.path.join(folder, name)
                    status = os.lstat(path)
                    found[path] = (status.st_size if name in files else 0, status.st_mtime_ns if name in files else 0)
        return found

    def _leaks(self) -> list[str]:
        hits = []
        for folder, _, files in os.walk(self.room.out):
            for name in files:
                path = Path(folder, name)
                if path.is_file() and TOKEN.encode() in path.read_bytes()[:2_000_000]:
                    hits.append(name)
        return hits
