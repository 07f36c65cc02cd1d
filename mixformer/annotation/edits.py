"""Edit a project: pure functions that return a new one. `edit_values` makes the same edits from JSON values.

If a key box changes, the tracked boxes that followed from it, or across it, are dropped, so that no exported box
contradicts a person. `stale_stretches` then lists what to track again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from mixformer.annotation.project import AnnotatedTarget, AnnotatedVideo, AnnotationProject, KeyBox
from mixformer.annotation.project_checks import (
    check_attributes,
    check_color,
    check_frame,
    check_id,
    check_key,
    check_label,
    check_project,
    check_tracked,
)
from mixformer.annotation.tracked_rows import WAYS, FoundWay, TrackedBox, TrackedRows
from mixformer.errors import ConfigError, shown

_COLORS = ("#56b4e9", "#e69f00", "#58e8a0", "#f0e442", "#ff785a", "#e870d0", "#b8e888", "#d0b8b8", "#a070e8", "#a0e8e8")
_MOST_TARGETS = 10_000


def add_target(
    project: AnnotationProject,
    id: int | None = None,
    label: str = "",
    color: str | None = None,
    attributes: Mapping[str, str] | None = None,
    keys: Iterable[KeyBox] = (),
) -> AnnotationProject:
    """Add a target.

    Args:
        project: the project.
        id: number of the target, 1 or above; None takes the number after the highest.
        label: class of the target, such as "person".
        color: "#rrggbb"; None chooses one by the number.
        attributes: further texts by name.
        keys: key boxes, in any order, at most one for a frame.

    Raises:
        ConfigError: if there is a target with this id, or a value is out of range.
        BoxError: if a key box is invalid or outside the picture.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target
        >>> project = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> [target.id for target in add_target(add_target(project, label="person")).targets]
        [1, 2]
    """
    check_project(project)
    ids = {target.id for target in project.targets}
    number = max(ids, default=0) + 1 if id is None else check_id(id)
    if number in ids:
        raise ConfigError(f"there is a target {number} already; choose another id, or remove it first")
    if len(ids) >= _MOST_TARGETS:
        raise ConfigError(f"a project holds up to {_MOST_TARGETS} targets; start another project")
    shade = _COLORS[(number - 1) % len(_COLORS)] if color is None else check_color(color)
    facts = check_attributes(attributes or {})
    made = AnnotatedTarget(number, check_label(label), shade, facts, _checked_keys(keys, number, project.video))
    return replace(project, targets=(*project.targets, made))


def _checked_keys(keys: Iterable[KeyBox], id: int, video: AnnotatedVideo) -> tuple[KeyBox, ...]:
    if not isinstance(keys, Iterable):
        raise ConfigError(f"key boxes must be a list of KeyBox values, not {shown(keys, 60)}")
    given = islice(keys, video.frame_count + 1)  # one too many is a second one of a frame, and they may have no end
    found = sorted((check_key(key, video) for key in given), key=lambda key: key.frame)
    for first, second in pairwise(found):
        if first.frame == second.frame:
            raise ConfigError(f"target {id} has two key boxes in frame {first.frame}; keep one of them")
    return tuple(found)


def remove_target(project: AnnotationProject, id: int) -> AnnotationProject:
    """Remove a target with all its boxes. Raises ConfigError if there is no such target.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, remove_target
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> remove_target(project, 1).targets
        ()
    """
    check_project(project)
    project.target(id)
    return replace(project, targets=tuple(target for target in project.targets if target.id != id))


def change_target(
    project: AnnotationProject,
    id: int,
    label: str | None = None,
    color: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> AnnotationProject:
    """Change label, color or attributes of a target. None leaves a value unchanged.

    Raises ConfigError if there is no such target, or a value is out of range.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, change_target
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> change_target(project, 1, label="dog").target(1).label
        'dog'
    """
    check_project(project)
    old = project.target(id)
    new = replace(
        old,
        label=old.label if label is None else check_label(label),
        color=old.color if color is None else check_color(color),
        attributes=old.attributes if attributes is None else check_attributes(attributes),
    )
    return project.with_target(new)


def set_key(
    project: AnnotationProject, id: int, frame: int, box: Iterable[float] | None, occluded: bool = False
) -> AnnotationProject:
    """Set the key box of a target in a frame. It replaces a key box or a tracked box there.

    Args:
        project: the project.
        id: id of the target.
        frame: number of the frame.
        box: x, y, width, height in pixels, 0-based, rounded to 2 decimals; None means that it is absent from here on.
        occluded: True if it is partly hidden.

    Raises:
        ConfigError: if there is no such target or frame.
        BoxError: if the box is invalid or outside the picture.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, set_key
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> set_key(project, 1, 7, (260, 29, 41, 142)).target(1).keys
        (KeyBox(frame=7, box=Box(x=260.0, y=29.0, w=41.0, h=142.0), occluded=False),)
    """
    check_project(project)
    target = project.target(id)
    key = check_key(KeyBox(frame, box, occluded), project.video)  # type: ignore[arg-type]
    keys = sorted([each for each in target.keys if each.frame != key.frame] + [key], key=lambda each: each.frame)
    return project.with_target(with_keys(target, tuple(keys)))


def mark_absent(project: AnnotationProject, id: int, frame: int) -> AnnotationProject:
    """Mark a target as absent from a frame on, until its next key box; see `set_key`.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, mark_absent
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> mark_absent(project, 1, 30).target(1).box_at(40).origin
        'person'
    """
    return set_key(project, id, frame, None)


def remove_key(project: AnnotationProject, id: int, frame: int) -> AnnotationProject:
    """Remove the key box of a frame. Raises ConfigError if there is none.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, mark_absent, remove_key
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> remove_key(mark_absent(project, 1, 30), 1, 30) == project
        True
    """
    check_project(project)
    target = project.target(id)
    if target.key_at(frame) is None:
        raise ConfigError(f"target {id} has no key box in frame {frame!r:.40}")
    return project.with_target(with_keys(target, tuple(key for key in target.keys if key.frame != frame)))


def set_tracked(
    project: AnnotationProject, id: int, start: int, found: Iterable[TrackedBox | None], way: FoundWay = "forward"
) -> AnnotationProject:
    """Put tracked boxes into a stretch of frames. They replace earlier tracked boxes.

    Frames with a key box, and frames in which a person marked the target as absent, do not change.

    Args:
        project: the project.
        id: id of the target.
        start: number of the first frame.
        found: one value for each frame from there on; None means that the frame is not tracked.
        way: "forward" if tracked from the key box before, "backward" from the one after, or "joined" from both.
            "unjoined" boxes, from the one after, are kept beside those of "forward" until "joined" boxes come.

    Raises:
        ConfigError: if there is no such target or frame, or a value is no tracked box.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, TrackedBox, add_target, set_tracked
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> project = set_tracked(project, 1, 3, [TrackedBox(Box(260, 29, 41, 142), 0.9)])
        >>> project.target(1).box_at(3).origin
        'tracker'
    """
    check_project(project)
    target, begin = project.target(id), check_frame(start, project.video)
    ways = (*WAYS, "unjoined")
    if way not in ways:
        raise ConfigError(f"the way of tracked boxes must be one of {', '.join(ways)}, not {way!r:.40}")
    if not isinstance(found, Iterable):
        raise ConfigError(f"tracked boxes must be a list of TrackedBox values, not {shown(found, 60)}")
    values = [check_tracked(each) for each in islice(found, project.video.frame_count + 1)]  # they may have no end
    if values:
        check_frame(begin + len(values) - 1, project.video)
    free = _are_beside_keys(target, np.arange(begin, begin + len(values)))  # the earlier rows are
    values = [value if is_free else None for value, is_free in zip(values, free, strict=True)]
    if way == "unjoined":
        return project.with_target(replace(target, unjoined=target.unjoined.put(begin, values, "backward")))
    unjoined = target.unjoined.put(begin, [None] * len(values)) if way == "joined" else target.unjoined
    return project.with_target(replace(target, tracked=target.tracked.put(begin, values, way), unjoined=unjoined))


def clear_tracked(project: AnnotationProject, id: int, first: int = 0, stop: int | None = None) -> AnnotationProject:
    """Remove tracked boxes from frame `first` to before `stop`, or to the end.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, TrackedBox
        >>> from mixformer.annotation import add_target, clear_tracked, set_tracked
        >>> project = add_target(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> project = set_tracked(project, 1, 3, [TrackedBox(Box(260, 29, 41, 142))])
        >>> len(clear_tracked(project, 1).target(1).tracked)
        0
    """
    check_project(project)
    target = project.target(id)
    for number in (first, stop):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | np.integer)):
            raise ConfigError(f"first and stop must be numbers of frames, not {shown(number, 60)}")
    end = project.video.frame_count if stop is None else stop
    tracked, unjoined = (
        rows.only((rows.frames < first) | (rows.frames >= end)) for rows in (target.tracked, target.unjoined)
    )
    return project.with_target(replace(target, tracked=tracked, unjoined=unjoined))


def beside_keys(target: AnnotatedTarget, rows: TrackedRows) -> TrackedRows:
    """Return the rows of frames that have no key box, and in which the target is not marked as absent."""
    return rows.only(_are_beside_keys(target, rows.frames)) if target.keys and len(rows) else rows


def _are_beside_keys(target: AnnotatedTarget, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
    keys = np.array([key.frame for key in target.keys], np.int64)
    absent = np.array([False] + [key.absent for key in target.keys])
    before = np.searchsorted(keys, frames, side="right")
    free: NDArray[np.bool_] = ~np.isin(frames, keys) & ~absent[before]
    return free


def with_keys(target: AnnotatedTarget, keys: tuple[KeyBox, ...]) -> AnnotatedTarget:
    """Give a target other key boxes, and drop the tracked boxes that do not follow from the nearest ones any more."""
    places = {(key.frame, key.box): place for place, key in enumerate(keys)}
    same = np.array([-1, *(places.get((key.frame, key.box), -2) for key in target.keys), len(keys)])  # -2: gone
    old, new = (np.array([key.frame for key in each], np.int64) for each in (target.keys, keys))

    def is_before_same(rows: TrackedRows) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = same[np.searchsorted(old, rows.frames)] == np.searchsorted(new, rows.frames) - 1
        return found

    def is_after_same(rows: TrackedRows) -> NDArray[np.bool_]:
        places = np.searchsorted(old, rows.frames, side="right") + 1
        found: NDArray[np.bool_] = same[places] == np.searchsorted(new, rows.frames, side="right")
        return found

    rows, back = target.tracked, target.unjoined
    holds = (is_before_same(rows) | (rows.ways == WAYS.index("backward"))) & (
        is_after_same(rows) | (rows.ways == WAYS.index("forward"))
    )
    changed = replace(target, keys=keys)
    return replace(
        changed,
        tracked=beside_keys(changed, rows.only(holds)),
        unjoined=beside_keys(changed, back.only(is_after_same(back))),
    )
