"""What became of the inputs, kills, disks and long runs; kept in a small file, so that a stopped run can go on."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock

_EVERY = 5.0  # seconds between two writings


@dataclass
class Finding:
    """An input that went wrong; `mark` repeats it."""

    mark: str
    kind: str
    reason: str
    told: str


@dataclass
class Tally:
    """What became of one part of the bench: its first `tried` inputs were tried."""

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


class Kept:
    """The tallies of a run, in a file if one is given; `stopped` ends it after the input that is tried now.

    Raises:
        SystemExit: if the file holds the tallies of another seed.
    """

    def __init__(self, seed: int, path: Path | None = None) -> None:
        self.seed, self._path, self._lock, self._written = seed, path, Lock(), 0.0
        self.tallies: dict[str, Tally] = {}
        self.stopped = False
        if path is not None and path.exists():
            content = json.loads(path.read_text())
            if content["seed"] != seed:
                sys.exit(f"{path} holds what was tried with seed {content['seed']}; give that seed, or another file")
            for name, told in content["tallies"].items():
                findings = [Finding(**finding) for finding in told.pop("findings")]
                self.tallies[name] = Tally(**told, findings=findings)

    def tally(self, name: str) -> Tally:
        """The tally of a part, to go on with."""
        with self._lock:
            return self.tallies.setdefault(name, Tally(name))

    def save(self, *, now: bool = False) -> None:
        """Write the file, if there is one and it was not written just now."""
        with self._lock:
            if self._path is None or not (now or time.monotonic() > self._written + _EVERY):
                return
            told = {"seed": self.seed, "tallies": {name: asdict(tally) for name, tally in self.tallies.items()}}
            draft = self._path.with_name(f"{self._path.name}.new")
            draft.write_text(json.dumps(told))
            os.replace(draft, self._path)
            self._written = time.monotonic()
