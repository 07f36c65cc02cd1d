"""Trackers and sequences for tests of jobs; a module of its own, so that worker processes can import it."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mixformer.data.sequence import VideoSequence
from mixformer.types import Box, TrackResult
from tests.helpers.clips import moving_square


def make_sequences(folder, lengths=(4, 6, 5)):
    """Clips of a moving square called clip_0 and so on, each starting somewhere else."""
    made = []
    for number, length in enumerate(lengths):
        frames, boxes = moving_square(length, step=2 + number)
        paths = []
        for index, frame in enumerate(frames):
            path = folder / f"clip_{number}" / "img" / f"{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame).save(path)
            paths.append(path)
        np.savetxt(folder / f"clip_{number}" / "groundtruth.txt", boxes, delimiter=",")
        made.append(VideoSequence(f"clip_{number}", tuple(paths), np.array(boxes, float)))
    return made


def box_files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.txt") if not path.name.endswith("_time.txt")}


class Stays:
    """Answers with the first box, a fraction further in every frame."""

    def init(self, frame, box):
        self.box, self.index = box, 0

    def update(self, frame):
        self.index += 1
        x, y, w, h = self.box
        return TrackResult(Box(x - 0.75 * self.index, y, w, h), 0.5, self.index)


@dataclass(frozen=True)
class MakeStays:
    """A maker of `Stays`."""

    def __call__(self, number):
        return Stays()


@dataclass(frozen=True)
class MakeBad:
    """Makes a tracker that does something bad in the fourth frame of clip_1.

    Attributes:
        how: "raise", "nan", "die" (in every try) or "die once" (while the file `mark` does not exist).
        mark: file that remembers the death.
    """

    how: str
    mark: Path

    def __call__(self, number):
        return _Bad(self.how, self.mark)


class _Bad(Stays):
    def __init__(self, how, mark):
        self.how, self.mark = how, mark

    def init(self, frame, box):
        super().init(frame, box)
        self.bad = False

    def update(self, frame):
        result = super().update(frame)
        if self.index == 1:  # the square of clip_1 has moved by 3 pixels
            self.bad = tuple(frame[40, 13]) == (230, 80, 20) and tuple(frame[40, 12]) != (230, 80, 20)
        if self.bad and self.index == 3:
            return self._be_bad(result)
        return result

    def _be_bad(self, result):
        if self.how == "raise":
            raise RuntimeError("the tracker is tired")
        if self.how == "nan":
            return TrackResult(Box(np.nan, 0, 1, 1), 0.5, 3)
        if self.how == "die" or not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return result


@dataclass(frozen=True)
class CannotStart:
    """A maker that fails."""

    def __call__(self, number):
        raise RuntimeError("no such model")
