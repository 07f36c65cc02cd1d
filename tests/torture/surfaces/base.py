"""What a surface is, and the steps that several of them share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.torture.material import BOX
from tests.torture.room import Case, Room, WrongError

CHEAP = ("--engine", "torch", "--device", "cpu", "--threads", "1")
TARGET = ("--box", *BOX)


@dataclass(frozen=True)
class Surface:
    """One way in.

    Attributes:
        name: as in the table.
        make: makes an input in a room.
        needs: parts of the material.
        count: inputs in the whole run.
        weight: share of the slice that runs with the other tests; 0 leaves it to the whole run.
        start: what is done once before the first input, so that what is loaded then is not laid to its account.
    """

    name: str
    make: Callable[[Random, Room], Case]
    needs: tuple[str, ...]
    count: int
    weight: int = 1
    start: Callable[[Room], None] | None = None

    def warm(self, room: Room) -> None:
        """Load what the inputs will use."""
        if self.start is not None:
            self.start(room)


def command(*words: object) -> int:
    """Run the command line in this process.

    Raises:
        WrongError: if the exit code is none of the documented ones, or text for developers was printed.
    """
    import sys

    from mixformer.cli import main

    shown = [str(word) for word in words]
    try:
        code = main(shown)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    if code not in (0, 1, 2, 3, 4, 5):
        raise WrongError(f"exit code {code}")
    printed = sys.stderr.getvalue() + sys.stdout.getvalue() if hasattr(sys.stderr, "getvalue") else ""  # type: ignore[attr-defined]
    if "Traceback (most recent call last)" in printed:
        raise WrongError(f"a traceback was printed: {printed[-400:]}")
    for failure in Path().rglob("failures/*"):
        last = failure.read_text().rstrip().splitlines()[-1:]
        if last and not last[0].startswith("mixformer.errors."):
            raise WrongError(f"a worker's error has no type of ours: {last[0][:300]}")
    return code


def copied(room: Room, part: str) -> Path:
    """A copy of a part of the material, to be damaged."""
    source, target = room.material / part, room.given / Path(part).name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    return target


def track_words(room: Room, source: Path | str | None = None, model: Path | None = None) -> list[str]:
    """`mixformer track` on a clip with the small model, boxes as JSON."""
    clip, network = source or room.material / "clips" / "clip.mp4", model or room.material / "model"
    return ["track", str(clip), "--model", str(network), *CHEAP, "--quiet", "--json", "boxes.jsonl"]


def track_once(room: Room) -> None:
    """Track the good clip."""
    assert command(*track_words(room), *TARGET) == 0
    (room.out / "boxes.jsonl").unlink()
