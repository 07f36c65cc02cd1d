"""Keep one project for several people: edits are made in turn, saved immediately, and reported to all viewers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.annotation import AnnotatedTarget, AnnotationProject, OpenProject, is_same_video, look_at_video
from mixformer.annotation.between import FoundBox
from mixformer.annotation.history import ProjectStep
from mixformer.annotation.project import FrameBox
from mixformer.annotation.tracked_rows import STATUSES
from mixformer.errors import OutputError, StateError
from mixformer.files.places import claim, lock_of

MOST_ROWS = 5000
"""Largest number of frames in one answer with boxes."""
MOST_BINS = 4096
"""Largest number of points of a timeline."""

Listener = Callable[[dict[str, Any]], object]
LETTERS = "tul"
"""Letters of a tracker's statuses."""


class OldRevisionError(StateError):
    """The project has changed since the edit was begun."""


class ProjectDesk:
    """The open project of one video. All calls may come from any thread."""

    def __init__(self, video: Path, path: Path) -> None:
        """Open the project of a video, or begin one.

        Raises StateError if another program has it open, and the errors of `OpenProject` and `look_at_video`.
        """
        self.video, self.path = video, path  # the file of the project
        self.revision = time.time_ns() // 10**6  # rises with every change; larger than those of an earlier server
        # Called before a person's edit, with the ids of its targets, or None for all.
        self.before_edit: Callable[[list[int] | None], object] = lambda ids: None
        self._lock = threading.RLock()
        self._listeners: dict[Listener, str] = {}  # with the name of the person who listens
        self._versions: dict[int, int] = {}
        self._fine = {self.revision}  # revisions of valid edits: since then, only a tracker has saved
        self._lock_path = lock_of(path)
        try:
            self._claim = claim(self._lock_path, path)
        except OutputError as error:
            raise StateError(f"another program has {path.name} open; close it there first") from error
        try:
            if path.exists():
                self._open = OpenProject(path)
            else:
                self._open = OpenProject.create(path, AnnotationProject(look_at_video(video, path)))
            self.look_again(video)
            if self._same and self.project.video.path != video.name:  # a person has renamed both
                self._open.move(path, video.name)
        except BaseException:
            self._claim.close()
            raise

    @property
    def project(self) -> AnnotationProject:
        """The present project."""
        return self._open.project

    def look_again(self, video: Path) -> None:
        """Check whether the video file is still the one in which the boxes were drawn."""
        self._same = is_same_video(self.project.video, video)

    def listen(self, listener: Listener, person: str = "") -> Callable[[], None]:
        """Call a function with each message about this project. Return a function that ends this."""
        self._listeners[listener] = person

        def end() -> None:
            self._listeners.pop(listener, None)

        return end

    @property
    def listeners(self) -> int:
        """Number of listeners."""
        return len(self._listeners)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to all listeners."""
        for listener in list(self._listeners):
            with suppress(RuntimeError):  # its event loop has ended
                listener(message)

    def edit(self, edit: Mapping[str, Any], revision: int | None = None, person: str = "") -> dict[str, Any]:
        """Make an edit as for `OpenProject.do`, save it, report it to all listeners, and return the new state.

        Undo takes back the last step of `person`, and so does redo. If nobody says who it is, it is the last of all.

        Raises OldRevisionError if a person has changed the project since `revision` (None accepts any), ConfigError or
        BoxError if the edit cannot be made, and OutputError if it cannot be saved.
        """
        with self._lock:
            self._check(revision)
            ids = self._touched(edit, person)
        if ids != []:
            self.before_edit(ids)  # may save tracked boxes, in another thread
        with self._lock:
            self._check(revision)
            if (name := edit.get("edit")) not in ("undo", "redo"):
                self._do({**edit, "by": person} if person else edit)
            elif steps := self._steps(name, person):
                self._do({"edit": name, "back": steps[0]})
            self._fine = {self.revision}
            state = self.state(person)
        self.tell({"type": "state", "revision": state["revision"]})
        return state

    def _steps(self, name: str, person: str) -> list[int]:
        """List how far back the steps are that a person can undo or redo: their own, and those of people who left."""
        others = {*self._listeners.values()} - {person} if person else set()
        return [back for back, step in enumerate(reversed(self._row(name))) if step.by not in others or not step.by]

    def _row(self, name: str) -> tuple[ProjectStep, ...]:
        """Return the steps that "undo" or "redo" chooses from, the next one last."""
        return self._open.history.past if name == "undo" else self._open.history.future

    def _touched(self, edit: Mapping[str, Any], person: str) -> list[int] | None:
        """List the targets whose boxes an edit changes; return None for all targets."""
        name = edit.get("edit")
        if name in ("undo", "redo"):
            found = self._steps(name, person)
            return self._row(name)[-1 - found[0]].changed if found else []
        if name == "replace_targets":
            return None
        if name == "together":
            return [id for each in edit.get("edits", ()) for id in self._touched(each, person) or ()]
        return [edit["id"]] if name not in ("add_target", "change_target") and edit.get("id") is not None else []

    def _check(self, revision: int | None) -> None:
        if revision is not None and revision not in self._fine:
            raise OldRevisionError("somebody else has changed this project; look at it, then do it again")

    def keep_found(self, edits: list[dict[str, Any]], revision: int, person: str = "") -> int:
        """Put boxes that were tracked for a person into the project, and return its new revision; see `tell_revision`.

        If nothing else has changed since `revision`, they belong to the step before, so that both are undone as one.
        """
        with self._lock:
            self._do({"edit": "amend" if revision == self.revision else "together", "edits": edits, "by": person})
            self._fine.add(self.revision)
            return self.revision

    def tell_revision(self) -> None:
        """Report to all listeners that the project has changed."""
        self.tell({"type": "state", "revision": self.revision})

    def _do(self, edit: Mapping[str, Any]) -> None:
        """Make an edit, and count the project and the targets that it changed."""
        before = self.project
        after = self._open.do(edit)
        if after is before:
            return
        self.revision += 1
        old = {target.id: target for target in before.targets}
        for target in after.targets:
            if old.get(target.id) is not target:
                self._versions[target.id] = self.revision

    def state(self, person: str = "") -> dict[str, Any]:
        """Return the project without the boxes of every frame, as a JSON object, as `person` sees it."""
        with self._lock:
            project = self.project
            return {
                "revision": self.revision,
                "undo": len(self._steps("undo", person)),
                "redo": len(self._steps("redo", person)),
                "frame_count": project.video.frame_count,
                "same_video": self._same,
                "targets": [self._target(target) for target in project.targets],
            }

    def _target(self, target: AnnotatedTarget) -> dict[str, Any]:
        same = {name: getattr(target, name) for name in ("id", "label", "color")}
        return {
            **same,
            "attributes": dict(target.attributes),
            "keys": [
                {"frame": key.frame, "box": None if key.box is None else list(key.box), "occluded": key.occluded}
                for key in target.keys
            ],
            "tracked": len(target.tracked),
            "version": self._versions.get(target.id, 0),
        }

    def rows(self, id: int, first: int, stop: int) -> dict[str, Any]:
        """Return the places of a target in the frames from `first` to before `stop`, at most `MOST_ROWS` of them.

        Each frame has a box (xywh or null), a score, and a kind, one letter: k key box, a absent, i interpolated, t
        tracked, u uncertain, l lost, . unknown. Raises ConfigError if there is no such target.
        """
        target = self.project.target(id)
        stop = min(stop, first + MOST_ROWS, self.project.video.frame_count)
        found = list(target.boxes(first, stop))
        return {
            "id": id,
            "first": first,
            "version": self._versions.get(id, 0),
            **rounded(found),
            "kinds": "".join(_kind(each.origin, each.status, each.box is None) for each in found),
        }

    def overview(self, id: int, bins: int, first: int = 0, stop: int | None = None) -> dict[str, Any]:
        """Return the timeline of a target: the lowest score and the worst status in equal parts of some frames.

        Raises ConfigError if there is no such target.
        """
        count = max(1, self.project.video.frame_count)
        first = min(first, count - 1)
        stop = max(first + 1, min(count if stop is None else stop, count))
        rows = self.project.target(id).tracked.between(first, stop)
        bins = max(1, min(bins, MOST_BINS, stop - first))
        places = np.minimum((rows.frames - first) * bins // (stop - first), bins - 1)
        scores, worst = np.full(bins, np.inf), np.full(bins, -1)
        np.minimum.at(scores, places, np.nan_to_num(rows.scores, nan=1.0))
        np.maximum.at(worst, places, rows.statuses.astype(int))
        return {
            "id": id,
            "first": first,
            "stop": stop,
            "version": self._versions.get(id, 0),
            "scores": [None if np.isinf(score) else round(float(score), 3) for score in scores],
            "kinds": "".join("." if status < 0 else LETTERS[status] for status in worst),
        }

    def doubtful(self, frame: int, step: int, ids: list[int] | None = None) -> dict[str, Any] | None:
        """Find the first frame of the next stretch in which a tracker was not sure of a target; None without one.

        The search goes from `frame` forward (`step` 1) or backward (-1), over the targets `ids`, or all.
        """
        found: list[tuple[int, int]] = []
        for target in self.project.targets:
            if ids is None or target.id in ids:
                rows = target.tracked
                unsure = rows.statuses != STATUSES.index("tracking")
                starts = unsure & ~np.concatenate(([False], unsure[:-1] & (np.diff(rows.frames) == 1)))
                frames = rows.frames[starts[: len(rows.frames)]]
                ahead = frames[frames > frame] if step > 0 else frames[frames < frame][::-1]
                found += [(int(ahead[0]), target.id)] if len(ahead) else []
        if not found:
            return None
        place, id = min(found) if step > 0 else max(found)
        return {"frame": place, "id": id}

    def close(self) -> None:
        """Save the project and close it."""
        with self._lock:
            try:
                self._open.close()
            finally:
                self._claim.close()
                self._lock_path.unlink(missing_ok=True)


def rounded(found: Sequence[FrameBox | FoundBox]) -> dict[str, Any]:
    """Return boxes and scores of frames for the page."""
    return {
        "boxes": [None if each.box is None else [round(float(value), 2) for value in each.box] for each in found],
        "scores": [None if each.score is None else round(float(each.score), 3) for each in found],
    }


def _kind(origin: str, status: str, absent: bool) -> str:
    if origin == "tracker":
        return LETTERS[STATUSES.index(status)]
    return {"person": "a" if absent else "k", "interpolated": "i"}.get(origin, ".")
