"""Track targets that start and stop within a video, or within several videos that share a tracker."""

from __future__ import annotations

import logging
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mixformer.errors import BoxError, shown
from mixformer.tracking import MultiTracker
from mixformer.tracking.state import TrackState
from mixformer.types import Image, TrackResult
from mixformer.video.reader import VideoFrame
from mixformer.video.targets import Target, bounded, in_line

log = logging.getLogger(__name__)

Results = dict[int, TrackResult]
"""The results of one frame by the target's number."""


class ActiveTargets:
    """The targets of one video: the present ones, and those that start later."""

    def __init__(self, tracker: MultiTracker, targets: Iterable[Target], video: Hashable = "") -> None:
        """Collect the targets, each with a different number. Tracking starts with `results`.

        Other videos may use the tracker too; `video` tells them apart. Raises BoxError if they are no targets.
        """
        given = bounded(targets) if isinstance(targets, Iterable) else [targets]
        for each in given:
            if not isinstance(each, Target):
                raise BoxError(f"a target must be a mixformer.video.Target, not {shown(each, 60)}")
        self._tracker, self._video = tracker, video
        self._waiting = sorted(given, key=lambda target: (target.start, target.id), reverse=True)
        self._present: dict[int, int | None] = {}
        self._some_began = False

    def remove_ended(self, index: int) -> None:
        """Remove the targets that end before this frame from the tracker."""
        for number, stop in list(self._present.items()):
            if stop is not None and stop <= index:
                self._remove(number)

    def frames(self, image: Image) -> dict[Hashable, Image]:
        """Return the argument of `MultiTracker.update_each` for this frame."""
        return {(self._video, number): image for number in self._present}

    def results(self, frame: VideoFrame, found: Mapping[Hashable, TrackResult]) -> Results:
        """Start the targets that begin in this frame, and return the results of all targets by number.

        Raises BoxError if a target begins outside the frame; the message names its file and line.
        """
        results = {number: found[self._video, number] for number in self._present}
        while self._waiting and self._waiting[-1].start <= frame.index:
            target = self._waiting.pop()
            if target.stop is not None and target.stop <= frame.index:
                continue  # all its frames were unreadable
            results[target.id] = self._add(target, frame)
        numbered = {number: replace(r, frame=frame.index, time=frame.time) for number, r in results.items()}
        return dict(sorted(numbered.items()))

    def finish(self) -> None:
        """Remove all targets at the end of the video, and warn of those that never began.

        Raises BoxError if none began.
        """
        self.remove_all()
        late = ", ".join(f"{target.id} (frame {target.start})" for target in reversed(self._waiting))
        if not self._some_began:
            raise BoxError(f"the video ends before a target begins: {late or 'there are none'}")
        if late:
            log.warning("the video ended before these targets began: %s", late)

    def snapshot(self) -> tuple[dict[int, int | None], tuple[int, ...], dict[int, TrackState]]:
        """Return the last frame of each present target, the numbers of later ones, and the states of present ones."""
        order = [id[1] for id in self._tracker.ids if isinstance(id, tuple) and id[0] == self._video]
        states = {number: self._tracker.state((self._video, number)) for number in order}
        return {number: self._present[number] for number in order}, tuple(t.id for t in self._waiting), states

    def restore(
        self, present: Mapping[int, int | None], waiting: Container[int], states: Mapping[int, TrackState]
    ) -> None:
        """Continue from a snapshot of the same targets, before any is tracked."""
        self._waiting = [target for target in self._waiting if target.id in waiting]
        for number, stop in present.items():
            self._tracker.restore(states[number], (self._video, number))
            self._present[number] = stop
        self._some_began = True

    def remove_all(self) -> None:
        """Remove all targets, after an error or before the end."""
        for number in list(self._present):
            self._remove(number)

    def _add(self, target: Target, frame: VideoFrame) -> TrackResult:
        with in_line(target.where):
            self._tracker.add(frame.image, target.box, (self._video, target.id))
        self._present[target.id], self._some_began = target.stop, True
        return TrackResult(target.box, 1.0, 0, is_initial=True)

    def _remove(self, number: int) -> None:
        self._tracker.remove((self._video, number))
        del self._present[number]


def advance(tracker: MultiTracker, frames: Sequence[tuple[ActiveTargets, VideoFrame]]) -> dict[Hashable, TrackResult]:
    """Find all targets of some videos in their next frames, in one batch. `ActiveTargets.results` takes the result."""
    wanted: dict[Hashable, Image] = {}
    for active, frame in frames:
        active.remove_ended(frame.index)
        wanted.update(active.frames(frame.image))
    return tracker.update_each(wanted)


def track_targets(
    tracker: MultiTracker, frames: Iterable[VideoFrame], targets: Iterable[Target]
) -> Iterator[tuple[VideoFrame, Results]]:
    """Track targets through the frames of a video.

    A target begins in the first readable frame from its start on. Results have the source's frame number and time. At
    the end, the targets are removed from the tracker.

    Args:
        tracker: the tracker; it may have other targets too.
        frames: frames of a video, such as those of `open_video`.
        targets: the targets, each with a different number.

    Returns:
        An iterator of frames and their results by the target's number, {} in frames without a target.

    Raises:
        BoxError: if a target begins outside the frame, none ever begins, or they are no list of targets.

    Example:
        >>> from mixformer import Box, MultiTracker, open_video
        >>> from mixformer.run import track_targets
        >>> from mixformer.video import Target
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> targets = [Target(7, DEMO_BOX), Target(8, Box(300, 50, 40, 80), start=1, stop=2)]
        >>> with open_video(DEMO_CLIP, stop=3) as video:
        ...     for frame, results in track_targets(MultiTracker(), video, targets):
        ...         print(frame.index, list(results))
        0 [7]
        1 [7, 8]
        2 [7]
    """
    active = ActiveTargets(tracker, targets)
    try:
        for frame in frames:
            found = advance(tracker, [(active, frame)])
            yield frame, active.results(frame, found)
        active.finish()
    finally:
        active.remove_all()
