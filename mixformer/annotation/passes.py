"""Passes of a tracker over the stretches between key boxes, and the frames that each of them reads."""

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
"""Is called with the number of steps that are done and of all, a step for each target, frame and direction."""


@dataclass(frozen=True)
class TrackingPass:
    """One stretch in one direction: the frames to go through, one end of which holds the key box.

    Frames up to `reached`, and where the target is there, were found by an earlier run; `steps` are left.
    """

    stretch: Stretch
    first: int
    stop: int
    box: Box
    steps: int
    reached: tuple[int, Box] | None = None


@dataclass
class TrackingWork:
    """Stretches to track, with the progress so far, and what is known of forward passes from an earlier run."""

    ahead: list[TrackingPass]
    back: list[TrackingPass]
    known: dict[Stretch, dict[int, TrackedBox]]
    wanted: range
    stop: Callable[[], bool]
    progress: Progress | None
    done: int = 0

    @property
    def total(self) -> int:
        """Return the number of steps of all passes."""
        return sum(each.steps for each in (*self.ahead, *self.back))

    def advance(self, steps: int) -> None:
        """Say that so many steps more are done."""
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
    """Return the passes that stretches ask for, without what an earlier run has found of them."""
    ahead, back, known = [], [], dict[Stretch, dict[int, TrackedBox]]()
    for each in stretches:
        first, end = max(each.first, wanted.start), min(each.stop, wanted.stop)
        if each.before:
            found = [] if again else found_before(project, each, "forward")
            reached = (found[-1][0], found[-1][1].box) if found else None
            ahead.append(TrackingPass(each, each.first - 1, end, each.before, end - len(found) - each.first, reached))
            known.update({each: dict(found)} if each.after else {})
        if each.after:
            found = [] if again or each.before else found_before(project, each, "backward")
            reached = (found[-1][0], found[-1][1].box) if found else None
            back.append(TrackingPass(each, first, each.stop + 1, each.after, each.stop - len(found) - first, reached))
    ahead, back = ([each for each in passes if each.steps > 0] for passes in (ahead, back))
    return TrackingWork(ahead, back, known, wanted, stop, progress)


def _after(each: TrackingPass) -> int | None:
    return each.reached[0] if each.reached else None


def read_ahead(video: str | Path, passes: list[TrackingPass]) -> Generator[VideoFrame, None, None]:
    """The frames of passes, of those that go on the key frame and then what is left."""
    first, stop, reached = passes[0].first, max(each.stop for each in passes), _after(passes[0])
    with open_video(video, first, stop if reached is None else first + 1) as frames:
        yield from frames
    if reached is not None:
        with open_video(video, reached + 1, stop) as frames:
            yield from frames


def read_back(video: str | Path, passes: list[TrackingPass], memory: int) -> Generator[VideoFrame, None, None]:
    """As `read_ahead`, from the last frame to the first, in so many bytes of pixels."""
    first, stop, reached = passes[0].first, max(each.stop for each in passes), _after(passes[0])
    yield from read_backward(video, first if reached is None else stop - 1, stop, memory)
    if reached is not None:
        yield from read_backward(video, first, reached, memory)


def grouped(passes: list[TrackingPass]) -> Iterator[list[TrackingPass]]:
    """Group passes whose frames meet, so that these are read once; those that go on after a gap go by themselves."""
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
