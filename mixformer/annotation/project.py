"""An annotation project as a value: a video and its targets, with the key boxes of a person and tracked boxes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from mixformer.annotation.tracked_rows import TrackedBox, TrackedRows
from mixformer.errors import ConfigError, first_few
from mixformer.types import Box, Status

Origin = Literal["person", "tracker", "interpolated", ""]
"""The origin of a target's box in a frame; "" if its place is unknown."""


@dataclass(frozen=True)
class KeyBox:
    """A person's box of a target in a frame. No tracker changes it.

    Attributes:
        frame: number of the frame, from 0.
        box: xywh in pixels with 2 decimals; None if the target is absent from here on, until the next key box.
        occluded: True if the target is partly hidden here.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import KeyBox
        >>> KeyBox(12, Box(10, 20, 30, 40)).absent, KeyBox(30, None).absent
        (False, True)
    """

    frame: int
    box: Box | None
    occluded: bool = False

    @property
    def absent(self) -> bool:
        """True if the target is absent from here on."""
        return self.box is None


class FrameBox(NamedTuple):
    """The place of a target in one frame.

    Attributes:
        frame: number of the frame.
        box: xywh in pixels; None if the target is absent or its place is unknown. A lost target keeps its tracked box.
        score: score of the tracker (0..1), or None.
        status: status of the tracker; "tracking" for key boxes and interpolated boxes.
        origin: "person", "tracker", "interpolated", or "" if the place is unknown.
        occluded: True if the last key box marks the target as partly hidden.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import FrameBox
        >>> FrameBox(3, Box(10, 20, 30, 40), 0.2, "lost", "tracker").visible
        False
    """

    frame: int
    box: Box | None
    score: float | None = None
    status: Status = "tracking"
    origin: Origin = ""
    occluded: bool = False

    @property
    def visible(self) -> bool:
        """True if exports hold a box for this frame: there is one, and the target is not lost."""
        return self.box is not None and self.status != "lost"


@dataclass(frozen=True)
class AnnotatedTarget:
    """One target of a project.

    Attributes:
        id: number of the target, 1 or above.
        label: class of the target, such as "person".
        color: "#rrggbb".
        attributes: further texts by name.
        keys: key boxes, sorted by frame.
        tracked: tracked boxes; frames of key boxes have none.
        unjoined: boxes tracked backward between two key boxes, until they are joined with those tracked forward. They
            are no places of the target yet.

    Example:
        >>> from mixformer import Box
        >>> from mixformer.annotation import AnnotatedTarget, KeyBox
        >>> target = AnnotatedTarget(1, "person", keys=(KeyBox(0, Box(0, 0, 9, 9)), KeyBox(4, Box(8, 0, 9, 9))))
        >>> target.box_at(2).box, target.box_at(2).origin
        (Box(x=4.0, y=0.0, w=9.0, h=9.0), 'interpolated')
    """

    id: int
    label: str = ""
    color: str = "#56b4e9"
    attributes: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[KeyBox, ...] = ()
    tracked: TrackedRows = field(default_factory=TrackedRows)
    unjoined: TrackedRows = field(default_factory=TrackedRows)

    def key_at(self, frame: int) -> KeyBox | None:
        """Return the key box of exactly this frame, or None."""
        before = self.key_before(frame + 1)
        return before if before and before.frame == frame else None

    def key_before(self, frame: int) -> KeyBox | None:
        """Return the last key box before a frame, or None."""
        place = bisect_right(self.keys, frame - 1, key=lambda key: key.frame)
        return self.keys[place - 1] if place else None

    def key_after(self, frame: int) -> KeyBox | None:
        """Return the first key box after a frame, or None."""
        place = bisect_right(self.keys, frame, key=lambda key: key.frame)
        return self.keys[place] if place < len(self.keys) else None

    def box_at(self, frame: int) -> FrameBox:
        """Return the place of the target in a frame; see `boxes`."""
        key, before, after = self.key_at(frame), self.key_before(frame), self.key_after(frame)
        if key is not None:
            return FrameBox(frame, key.box, origin="person", occluded=key.occluded)
        if before is not None and before.absent:
            return FrameBox(frame, None, origin="person")
        occluded = before is not None and before.occluded
        found = self.tracked.at(frame)
        if found is not None:
            return FrameBox(frame, found.box, found.score, found.status, "tracker", occluded)
        if before is None or after is None:
            return FrameBox(frame, None)
        return self._interpolated(frame, before, after, occluded)

    def boxes(self, first: int, stop: int) -> Iterator[FrameBox]:
        """Yield the place of the target in each frame from `first` to before `stop`.

        Key boxes take precedence over tracked boxes. Between two key boxes, a frame that is not tracked gets a box
        interpolated between its neighbors, or the last box if an absence follows. Before the first key box and after
        the last one, nothing is interpolated.
        """
        return (self.box_at(frame) for frame in range(first, stop))

    def _interpolated(self, frame: int, before: KeyBox, after: KeyBox, occluded: bool) -> FrameBox:
        left = self._anchor(frame, before, -1)
        right = self._anchor(frame, after, 1)
        if left[1] is None:  # lost just before
            return FrameBox(frame, None)
        part = 0.0 if right[1] is None else (frame - left[0]) / (right[0] - left[0])
        ends = np.array(left[1]), np.array(right[1] or left[1])
        box = Box(*(ends[0] * (1 - part) + ends[1] * part).round(2).tolist())
        return FrameBox(frame, box, origin="interpolated", occluded=occluded)

    def _anchor(self, frame: int, key: KeyBox, side: int) -> tuple[int, Box | None]:
        """Return the nearest frame that is tracked or has this key box, and the box, or None if the target is gone."""
        frames = self.tracked.frames
        place = int(np.searchsorted(frames, frame)) - (side < 0)
        if 0 <= place < len(frames) and (key.frame - frames[place]) * side > 0:
            found = self.tracked.at(int(frames[place])) or TrackedBox(Box(0, 0, 1, 1))
            return int(frames[place]), None if found.status == "lost" else found.box
        return key.frame, key.box


@dataclass(frozen=True)
class AnnotatedVideo:
    """The video of a project.

    Attributes:
        path: path relative to the project's file, with forward slashes; absolute if that is impossible.
        width: width of a frame in pixels.
        height: height of a frame in pixels.
        frame_count: number of frames.
        fps: frames per second; None if unknown.
        size: bytes of the file, or of all pictures of a folder.
        head: SHA-256 of the first 64 KiB of the file or of the first picture, in hexadecimal digits; "" if unknown.

    Example:
        >>> from mixformer.annotation import look_at_video
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> video = look_at_video(DEMO_CLIP)
        >>> video.path, video.width, video.height, video.frame_count, video.fps
        ('orange_shirt.mp4', 640, 360, 53, 25.0)
    """

    path: str
    width: int
    height: int
    frame_count: int
    fps: float | None = None
    size: int = 0
    head: str = ""


@dataclass(frozen=True)
class AnnotationProject:
    """A video and its targets. It is never changed in place: the functions of `mixformer.annotation` return a new one.

    Attributes:
        video: the video.
        targets: the targets, in the order in which they are shown.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, add_target, set_key
        >>> project = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> project = set_key(add_target(project, label="person"), 1, 0, (260, 29, 41, 142))
        >>> [box.box.w for box in project.boxes(1, 0, 1)]
        [41.0]
    """

    video: AnnotatedVideo
    targets: tuple[AnnotatedTarget, ...] = ()

    def target(self, id: int) -> AnnotatedTarget:
        """Return a target. Raises ConfigError if there is none with this id."""
        for each in self.targets:
            if each.id == id:
                return each
        known = ", ".join(first_few([str(each.id) for each in self.targets])) or "none yet"
        raise ConfigError(f"there is no target {id!r:.40}; there are: {known}")

    def boxes(self, id: int, first: int = 0, stop: int | None = None) -> Iterator[FrameBox]:
        """Yield the place of a target, frame by frame, to before `stop` or to the end; see `AnnotatedTarget.boxes`."""
        return self.target(id).boxes(first, self.video.frame_count if stop is None else stop)

    def with_target(self, target: AnnotatedTarget) -> AnnotationProject:
        """Return the project with a target that replaces the one with its id."""
        return replace(self, targets=tuple(target if each.id == target.id else each for each in self.targets))
