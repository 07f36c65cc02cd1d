"""The passes of a tracker over the stretches between key boxes, and the frames that each pass reads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from mixformer.annotation.backward import read_backward
from mixformer.annotation.project import AnnotationProject
from mixformer.annotation.stretches import Stretch, found_before
from mixformer.annotation.tracked_rows import TrackedBox
from mixformer.types import Box
from mixformer.video.reader import VideoFrame, open_video

Progress = Callable[[int, int], object]
"""A function of the number of finished steps and of all steps. Each target, frame and direction is a step."""


@dataclass(frozen=True)
class TrackingPass:
    """A pass over one stretch in one direction."""

    stretch: Stretch
    first: int  # number of the first frame, including that of the key box
    stop: int  # number after the last frame
    box: Box  # key box at one end
    steps: int  # number of frames that are left
    reached: tuple[int, Box] | None = None  # last frame of an earlier run, and the box there


@dataclass
class TrackingWork:
    """The passes of a run, and its progress."""

    ahead: list[TrackingPass]  # forward passes
    back: list[TrackingPass]  # backward passes
    known: dict[Stretch, dict[int, TrackedBox]]  # boxes of forward passes of an earlier run
    known_back: dict[Stretch, dict[int, TrackedBox]]  # boxes of its ways back between two key boxes
    wanted: range  # frames to yield
    stop: Callable[[], bool]  # tells whether to end
    progress: Progress | None
    done: int = 0  # number of finished steps

    @property
    def total(self) -> int:
        """Number of steps of all passes."""
        return sum(each.steps for each in (*self.ahead, *self.back))

    def advance(self, steps: int) -> None:
        """Count finished steps, and report the progress."""
        self.done += steps
        if self.progress and steps:
            self.progress(self.done, self.total)


def work_of(
    project: AnnotationProject,
    stretches: list[Stretch],
    wanted: range,
    again: bool,
    stop: Callable[[], bool],
    progress: Progress | None,
) -> TrackingWork:
    """Make the passes over stretches, without the frames that an earlier run has tracked."""
    ahead, back = [], []
    known, known_back = dict[Stretch, dict[int, TrackedBox]](), dict[Stretch, dict[int, TrackedBox]]()
    for each in stretches:
        first, end = max(each.first, wanted.start), min(each.stop, wanted.stop)
        if each.before:
            found = [] if again else found_before(project, each, "forward")
            reached = (found[-1][0], found[-1][1].box) if found else None
            ahead.append(TrackingPass(each, each.first - 1, end, each.before, end - len(found) - each.first, reached))
            known.update({each: dict(found)} if each.after else {})
        if each.after:
            found = [] if again else found_before(project, each, "backward")
            if each.before:
                found = [(frame, box) for frame, box in found if frame > first]
                known_back.update({each: dict(found)} if found else {})
            reached = (found[-1][0], found[-1][1].box) if found else None
            back.append(TrackingPass(each, first, each.stop + 1, each.after, each.stop - len(found) - first, reached))
    ahead, back = ([each for each in passes if each.steps > 0] for passes in (ahead, back))
    return TrackingWork(ahead, back, known, known_back, wanted, stop, progress)


def _after(each: TrackingPass) -> int | None:
    return each.reached[0] if each.reached else None


def read_ahead(video: str | Path, passes: list[TrackingPass]) -> Generator[VideoFrame, None, None]:
    """Yield the frames of passes. A resumed pass needs the frame of its key box, and then the remaining frames."""
    first, stop, reached = passes[0].first, max(each.stop for each in passes), _after(passes[0])
    with open_video(video, first, stop if reached is None else first + 1) as frames:
        yield from frames
    if reached is not None:
        with open_video(video, reached + 1, stop) as frames:
            yield from frames


def read_back(video: str | Path, passes: list[TrackingPass], memory: int) -> Generator[VideoFrame, None, None]:
    """Yield the frames as `read_ahead`, but from the last to the first, with at most `memory` bytes of pixels."""
    first, stop, reached = passes[0].first, max(each.stop for each in passes), _after(passes[0])
    yield from read_backward(video, first if reached is None else stop - 1, stop, memory)
    if reached is not None:
        yield from read_backward(video, first, reached, memory)


def grouped(passes: list[TrackingPass]) -> Iterator[list[TrackingPass]]:
    """Group passes with common frames, so that these are read once. Resumed passes have groups of their own."""
    group: list[TrackingPass] = []
    for each in sorted(passes, key=lambda each: (each.first, each.stop)):
        alone = each.reached or (group and group[0].reached)
        apart = group and (each.first, each.stop, _after(each)) != (group[0].first, group[0].stop, _after(group[0]))
        if group and (apart if alone else each.first > max(other.stop for other in group)):
            yield group
            group = []
        group.append(each)
    if group:
        yield group
