"""The sandbox of a worker: its folders, its canaries, and what an input may touch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

TOKEN = "canary-7c1f0b9e"
"""Text in every secret file; it must not appear in anything that is written or printed."""


@dataclass(frozen=True)
class Case:
    """One input: what it is, in a few words, and how it is tried."""

    told: str
    run: Callable[[], None]


class WrongError(Exception):
    """A result that is wrong although nothing was raised."""


@dataclass
class Room:
    """Folders of one worker. An input is made in `given`, `out` is the working directory and where to write."""

    base: Path
    material: Path
    turn: int = 0

    @property
    def given(self) -> Path:
        """Where the input lies."""
        return self.base / f"case{self.turn}" / "in"

    @property
    def out(self) -> Path:
        """Where results may go."""
        return self.base / f"case{self.turn}" / "out"

    @property
    def cache(self) -> Path:
        """Where compiled graphs may go."""
        return self.base / "cache"

    @property
    def secret(self) -> Path:
        """Files that nobody may read."""
        return self.base / "secret"

    def secrets(self) -> tuple[str, ...]:
        """Ways to name the secret files from inside an input."""
        names = ("canary.txt", "canary.png", "canary.mp4", "canary.ts")
        climbs = tuple(f"{'../' * steps}secret/" for steps in (2, 3, 4))
        return tuple(f"{start}{name}" for name in names for start in (f"{self.secret}/", *climbs))

    def build(self) -> None:
        """Make the folders and the secrets, and live there."""
        for folder in (self.given, self.out, self.cache, self.secret, self.base / "home", self.base / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.secret / "canary.txt").write_text(f"{TOKEN}\n1,2,3,4\n")
        mark = PngInfo()
        mark.add_text("Comment", TOKEN)
        Image.new("RGB", (64, 48), (200, 10, 10)).save(self.secret / "canary.png", pnginfo=mark)
        for ending in ("mp4", "ts"):
            shutil.copy(self.material / "clips" / f"clip.{ending}", self.secret / f"canary.{ending}")
        os.chdir(self.out)

    def clear(self) -> None:
        """An empty room for the next input, under another name: what is kept by path is not taken for this one's."""
        os.chdir(self.base)
        shutil.rmtree(self.base / f"case{self.turn}", ignore_errors=True)
        self.turn += 1
        self.given.mkdir(parents=True)
        self.out.mkdir()
        os.chdir(self.out)
        for path in self.secret.iterdir():
            os.utime(path, (1, 2))  # read before it was changed: the next read moves the first of the two
