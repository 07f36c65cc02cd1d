"""Track between key boxes: forward from each, backward from the next, and join both tracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mixformer.annotation.backward import MEMORY
from mixformer.annotation.edits import set_tracked
from mixformer.annotation.joining import join_tracked
from mixformer.annotation.passes import Progress, TrackingPass, TrackingWork, grouped, read_ahead, read_back, work_of
from mixformer.annotation.project import AnnotationProject
from mixformer.annotation.project_checks import check_frame, check_id, check_project
from mixformer.annotation.stretches import Direction, Stretch, all_stretches, check_range, stale_stretches
from mixformer.annotation.tracked_rows import FoundWay, TrackedBox
from mixformer.configs.argument_checks import checked_functions
from mixformer.errors import ConfigError, shown
from mixformer.run.multi_target import track_targets
from mixformer.tracking import MultiTracker
from mixformer.types import Box, Status
from mixformer.video.reader import VideoFrame
from mixformer.video.targets import Target


class FoundBox(NamedTuple):
    """The box that a tracker found for one target in one frame.

    Attributes:
        target: id of the target.
        frame: number of the frame.
        box: xywh in pixels, 0-based.
        score: 0..1; None for a model without a score head.
        status: "tracking", "uncertain" or "lost".
        way: "forward", "backward", "unjoined" or "joined". A joined box replaces the earlier forward and unjoined ones.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import FoundBox
        >>> FoundBox(1, 7, Box(10, 20, 30, 40), 0.9, "tracking", "forward").frame
        7
    """

    target: int
    frame: int
    box: Box
    score: float | None
    status: Status
    way: FoundWay


@checked_functions
def track_between(
    project: AnnotationProject,
    video: str | Path,
    target_ids: Iterable[int] | None = None,
    *,
    direction: Direction = "both",
    frames: range | None = None,
    tracker: MultiTracker | None = None,
    again: bool = False,
    stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
    memory: int = MEMORY,
) -> Generator[FoundBox, None, None]:
    """Track the frames between key boxes that are not tracked yet, and yield the boxes.

    The tracker goes forward from each key box to the next, then backward from each to the one before. Between two key
    boxes, each frame is yielded three times: as "forward", as "unjoined" on the way back and, when the stretch is
    complete, as "joined". Frames of key boxes are left out. `put_found` puts the boxes into the project. A stopped run
    is resumed from the last found box, with the key box as template.

    Args:
        project: the project.
        video: its file or folder of pictures; see `find_video`.
        target_ids: ids of the targets; None takes all. The network finds them together.
        direction: "forward", "backward" or "both".
        frames: frames to yield; None takes all. Tracking still begins at the key boxes.
        tracker: a tracker without targets; None takes the default model. All targets are removed from it at the end.
        again: track everything again, even if it is up to date.
        stop: function that is called before each frame; if it returns True, tracking ends.
        progress: function to call with the finished and the total number of steps.
        memory: largest number of bytes of RGB pixels in memory while going backward.

    Raises:
        ConfigError: if there is no such target, direction or frame.
        BoxError: if a key box cannot be tracked, such as one outside the frame.
        SourceError: if the video cannot be read.

    Example:
        >>> from mixformer.annotation import AnnotationProject, add_target, look_at_video, put_found, set_key
        >>> from mixformer.annotation import track_between
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> project = set_key(add_target(AnnotationProject(look_at_video(DEMO_CLIP))), 1, 2, DEMO_BOX)
        >>> found = list(track_between(project, DEMO_CLIP, frames=range(0, 5)))
        >>> [(each.frame, each.way) for each in found]
        [(3, 'forward'), (4, 'forward'), (1, 'backward'), (0, 'backward')]
        >>> put_found(project, found).target(1).box_at(4).origin
        'tracker'
    """
    check_project(project)
    wanted = check_range(frames, project.video.frame_count)
    stretches = (all_stretches if again else stale_stretches)(project, target_ids, direction, frames)
    work = work_of(project, stretches, wanted, again, stop or (lambda: False), progress)
    if work.total:
        if tracker is None:  # not falsy: a tracker without targets has the length 0
            tracker = MultiTracker(on_resize="rescale")
        yield from _track(work, video, tracker, memory)


def put_found(project: AnnotationProject, found: Iterable[FoundBox]) -> AnnotationProject:
    """Put the boxes of `track_between` into the project. If a frame has two boxes, the later one is used.

    Raises ConfigError if a value is no `FoundBox`, or the project has no such target or frame.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, FoundBox, add_target, put_found
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> found = [FoundBox(1, 7, Box(10, 20, 30, 40), 0.9, "tracking", "forward")]
        >>> put_found(project, found).target(1).box_at(7).score
        0.9
    """
    check_project(project)
    if not isinstance(found, Iterable):
        raise ConfigError(f"found boxes must be a list of FoundBox values, not {shown(found, 60)}")
    boxes = []
    for each in found:
        if not isinstance(each, FoundBox):
            raise ConfigError(f"a found box must be a mixformer.annotation.FoundBox, not {shown(each, 60)}")
        boxes.append(each._replace(target=check_id(each.target), frame=check_frame(each.frame, project.video)))
    for run in found_runs(boxes):
        rows = [TrackedBox(each.box, each.score, each.status) for each in run]
        project = set_tracked(project, run[0].target, run[0].frame, rows, run[0].way)
    return project


def found_runs(found: Iterable[FoundBox]) -> Iterator[list[FoundBox]]:
    """Yield boxes of one target and one way in successive frames. Of two boxes of a frame, the later one is used.

    Unjoined boxes come before the others of their target, beside which they are kept.
    """
    latest = {(each.target, each.way != "unjoined", each.frame): each for each in found}
    run: list[FoundBox] = []
    for _, each in sorted(latest.items()):
        if run and (run[-1].target, run[-1].frame + 1, run[-1].way) != (each.target, each.frame, each.way):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _track(work: TrackingWork, video: str | Path, tracker: MultiTracker, memory: int) -> Iterator[FoundBox]:
    kept: dict[Stretch, dict[int, TrackedBox]] = defaultdict(dict, work.known)
    for stretch, frame, found in _forward(work, video, tracker):
        if stretch.after:
            kept[stretch][frame] = found
        if frame in work.wanted:
            yield FoundBox(stretch.target, frame, *found, "forward")
    yield from _joined_back(work, kept, _backward(work, video, tracker, memory))


def _joined_back(
    work: TrackingWork, kept: dict[Stretch, dict[int, TrackedBox]], steps: Iterable[_Step]
) -> Iterator[FoundBox]:
    """Yield the boxes of the way back. Between two key boxes, join both ways as soon as a stretch is complete."""
    met: dict[Stretch, dict[int, TrackedBox]] = defaultdict(dict, work.known_back)
    for stretch, frame, found in steps:
        if stretch.before:
            met[stretch][frame] = found
        if frame in work.wanted:
            yield FoundBox(stretch.target, frame, *found, "unjoined" if stretch.before else "backward")
        if stretch in met and frame == max(stretch.first, work.wanted.start):
            yield from _joined(stretch, kept.pop(stretch, {}), met.pop(stretch), work.wanted)
    for stretch, back in ({} if work.stop() else met).items():  # whose first frame cannot be read
        yield from _joined(stretch, kept.pop(stretch, {}), back, work.wanted)


def _joined(
    stretch: Stretch, ahead: dict[int, TrackedBox], back: dict[int, TrackedBox], wanted: range
) -> Iterator[FoundBox]:
    numbers = sorted(ahead.keys() & back.keys())
    found = join_tracked([ahead[number] for number in numbers], [back[number] for number in numbers])
    for number, each in zip(numbers, found, strict=True):
        if number in wanted:
            yield FoundBox(stretch.target, number, *each, "joined")


_Step = tuple[Stretch, int, TrackedBox]


def _forward(work: TrackingWork, video: str | Path, tracker: MultiTracker) -> Iterator[_Step]:
    for passes in grouped(work.ahead):
        targets = [_target(n, each, each.first, each.first, each.stop) for n, each in enumerate(passes)]
        with closing(read_ahead(video, passes)) as frames:
            yield from _steps(work, tracker, frames, targets, passes, lambda index: index)


def _backward(work: TrackingWork, video: str | Path, tracker: MultiTracker, memory: int) -> Iterator[_Step]:
    """Track as in a reversed video, in which frame n has the number `last - n`."""
    last = max((each.stop for each in work.back), default=0)

    def turned(number: int) -> int:
        return last - number

    for passes in grouped(work.back):
        targets = [
            _target(n, each, each.stop - 1, turned(each.stop - 1), turned(each.first - 1))
            for n, each in enumerate(passes)
        ]
        with closing(read_back(video, passes, memory)) as frames:
            numbered = (replace(frame, index=turned(frame.index)) for frame in frames)
            yield from _steps(work, tracker, numbered, targets, passes, turned)


def _steps(
    work: TrackingWork,
    tracker: MultiTracker,
    frames: Iterable[VideoFrame],
    targets: list[Target],
    passes: list[TrackingPass],
    number: Callable[[int], int],
) -> Iterator[_Step]:
    """Yield the found boxes, frame by frame, without the key boxes."""
    if work.stop():
        return
    with closing(track_targets(tracker, frames, targets)) as steps:  # type: ignore[type-var]
        for frame, results in steps:
            for n, result in results.items():
                if result.is_initial and (reached := passes[n].reached):  # keep its templates, but move it
                    tracker.restore(replace(tracker.remove(("", n)), box=reached[1]), ("", n))
            found = {n: result for n, result in results.items() if not result.is_initial}
            work.advance(len(found))
            for n, result in found.items():
                yield passes[n].stretch, number(frame.index), TrackedBox(result.box, result.score, result.status)
            if work.stop():
                return


def _target(number: int, each: TrackingPass, key: int, start: int, stop: int) -> Target:
    """Make the target of a pass, with its key box in messages."""
    return Target(number, each.box, start, stop, f"target {each.stretch.target}, frame {key}")
