"""Find the stretches of frames to track: each is between two key boxes, or between one and an end of the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from mixformer.annotation.project import AnnotatedTarget, AnnotationProject
from mixformer.annotation.project_checks import check_project
from mixformer.annotation.tracked_rows import WAYS, TrackedBox, Way
from mixformer.errors import ConfigError, shown
from mixformer.types import Box

Direction = Literal["forward", "backward", "both"]
"""The direction to track from key boxes."""


@dataclass(frozen=True)
class Stretch:
    """The frames of one target between two key boxes, or between one and an end of the video.

    Attributes:
        target: id of the target.
        first: number of the first frame to track.
        stop: number after the last frame to track.
        before: the box in frame `first - 1` to track forward from, or None.
        after: the box in frame `stop` to track backward from, or None.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, set_key, stale_stretches
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> project = set_key(project, 1, 10, (260, 29, 41, 142))
        >>> [(each.first, each.stop) for each in stale_stretches(project)]
        [(0, 10), (11, 50)]
    """

    target: int
    first: int
    stop: int
    before: Box | None = None
    after: Box | None = None

    @property
    def frames(self) -> range:
        """Numbers of the frames."""
        return range(self.first, self.stop)


def stale_stretches(
    project: AnnotationProject,
    target_ids: Iterable[int] | None = None,
    direction: Direction = "both",
    frames: range | None = None,
) -> list[Stretch]:
    """List the stretches that are not tracked from their present key boxes.

    Args:
        project: the project.
        target_ids: ids of the targets; None takes all.
        direction: "forward" from each key box, "backward", or "both".
        frames: wanted frames; None takes all of the video.

    Raises:
        ConfigError: if there is no such target, direction or frame.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, set_key, stale_stretches
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> project = set_key(project, 1, 10, (260, 29, 41, 142))
        >>> [(each.first, each.stop) for each in stale_stretches(project, direction="forward")]
        [(11, 50)]
    """
    check_project(project)
    return [each for each in all_stretches(project, target_ids, direction, frames) if not _fresh(project, each, frames)]


def all_stretches(
    project: AnnotationProject,
    target_ids: Iterable[int] | None = None,
    direction: Direction = "both",
    frames: range | None = None,
) -> list[Stretch]:
    """List all stretches, tracked or not; see `stale_stretches`."""
    wanted = check_range(frames, project.video.frame_count)
    if direction not in ("forward", "backward", "both"):
        raise ConfigError(f"the direction must be forward, backward or both, not {shown(direction, 40)}")
    ids = [target.id for target in project.targets] if target_ids is None else list(target_ids)
    return [
        stretch
        for id in ids
        for stretch in _of_target(project.target(id), project.video.frame_count, direction)
        if stretch.first < wanted.stop and stretch.stop > wanted.start
    ]


def check_range(frames: range | None, count: int) -> range:
    """Return the wanted frames within the video. Raises ConfigError if they are no range with step 1."""
    if frames is None:
        return range(count)
    if not isinstance(frames, range) or frames.step != 1:
        raise ConfigError(f"frames must be a range with step 1, not {shown(frames, 60)}")
    return range(max(frames.start, 0), min(frames.stop, count))


def _of_target(target: AnnotatedTarget, count: int, direction: Direction) -> Iterator[Stretch]:
    marks = [(-1, None), *((key.frame, key.box) for key in target.keys), (count, None)]
    absent = {key.frame for key in target.keys if key.absent}
    for (here, box), (there, next_box) in pairwise(marks):
        before = box if direction != "backward" else None
        after = next_box if direction != "forward" and here not in absent else None
        if (before or after) and here + 1 < there:
            yield Stretch(target.id, here + 1, there, before, after)


def _fresh(project: AnnotationProject, stretch: Stretch, frames: range | None) -> bool:
    """Tell whether all wanted frames of a stretch are tracked from its key boxes."""
    wanted = check_range(frames, project.video.frame_count)
    first, stop = max(stretch.first, wanted.start), min(stretch.stop, wanted.stop)
    rows = project.target(stretch.target).tracked.between(first, stop)
    ways = {"joined"} if stretch.before and stretch.after else {"joined", "forward" if stretch.before else "backward"}
    return len(rows) == stop - first and {WAYS[way] for way in np.unique(rows.ways)} <= ways


def found_before(project: AnnotationProject, stretch: Stretch, way: Way) -> list[tuple[int, TrackedBox]]:
    """Return the boxes that a stopped run found in a stretch, from its key box up to the last sure frame.

    The way back between two key boxes leaves its last frame out, so that a frame is left, after which both are joined.
    """
    target = project.target(stretch.target)
    meets = way == "backward" and stretch.before is not None
    runs = list((target.unjoined if meets else target.tracked).between(stretch.first + meets, stretch.stop).runs())
    start, how, boxes = runs[0 if way == "forward" else -1] if runs else (0, way, [])
    found = list(enumerate(boxes, start))
    joins = start == stretch.first if way == "forward" else start + len(boxes) == stretch.stop
    if not joins or how != way:
        return []
    if way == "backward":
        found.reverse()
    while found and found[-1][1].status != "tracking":
        found.pop()
    return found
