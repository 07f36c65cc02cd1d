"""All that a server holds: the videos, their frames, the open projects, and the work that runs."""

from __future__ import annotations

import logging
import secrets
import threading
from pathlib import Path
from typing import Any

from mixformer.annotation import AnnotatedVideo, load_project
from mixformer.annotation.web.export_desk import ExportDesk
from mixformer.annotation.web.frame_store import FrameStore
from mixformer.annotation.web.project_desk import ProjectDesk
from mixformer.annotation.web.project_places import earlier_project, left_projects, project_path, take_over
from mixformer.annotation.web.track_queue import TrackQueue
from mixformer.annotation.web.video_library import LibraryVideo, VideoLibrary
from mixformer.errors import DataError, OutputError

log = logging.getLogger(__name__)


class Workroom:
    """The state of a server, shared by all requests."""

    def __init__(self, place: str | Path, model: str, workers: int, token: str | None = None) -> None:
        """Open a video or a folder; see `VideoLibrary`."""
        self.library = VideoLibrary(place)
        self.frames = FrameStore()
        self.frames.damage.told = self._tell_damage
        self.queue = TrackQueue(model, workers)  # tracking that waits or runs
        self.exports = ExportDesk()  # files that are being made or wait to be fetched
        self.token = token or secrets.token_urlsafe(32)  # secret of this server
        self._desks: dict[str, ProjectDesk] = {}
        self._turn = threading.Lock()
        self._stamps: dict[Path, str] = {}

    def desk(self, video: LibraryVideo) -> ProjectDesk:
        """Return the open project of a video; see `ProjectDesk` for the errors."""
        with self._turn:
            if video.id not in self._desks:
                path = project_path(video.path)
                if not path.exists():
                    left = earlier_project(video.path, left_projects(self.library.folders))
                    if left is not None:
                        self._take_over(left, video)
                self._desks[video.id] = ProjectDesk(video.path, path)
            return self._desks[video.id]

    def _take_over(self, left: Path, video: LibraryVideo) -> None:
        for id, desk in list(self._desks.items()):
            if desk.path == left:  # nobody finds this one any more
                self.queue.stop(id)
                self._desks.pop(id).close()
        take_over(left, video.path)
        self.library.rename_done(left, video)

    def _tell_damage(self, path: Path) -> None:
        for desk in list(self._desks.values()):
            if desk.video == path:
                desk.tell({"type": "damage"})

    def seen(self, video: LibraryVideo) -> None:
        """Forget the frames of a file that has changed since they were made."""
        if self._stamps.setdefault(video.path, video.stamp) != video.stamp:
            self.frames.forget(video.path)
            self._stamps[video.path] = video.stamp
            if desk := self._desks.get(video.id):
                desk.look_again(video.path)
                desk.tell({"type": "file"})

    def listing(self) -> list[dict[str, Any]]:
        """List the videos with the state of the work: new, begun or done."""
        videos, done = self.library.videos(), self.library.done()
        left = left_projects(self.library.folders)
        return [{"id": video.id, "name": video.name, **self._progress(video, done, left)} for video in videos]

    def _progress(self, video: LibraryVideo, done: set[str], left: dict[Path, AnnotatedVideo]) -> dict[str, Any]:
        desk, path = self._desks.get(video.id), project_path(video.path)
        if left and not path.exists():
            path = earlier_project(video.path, left) or path
        try:
            project = desk.project if desk else load_project(path)
        except DataError:
            return {"state": "new", "targets": 0, "keys": 0}
        keys = sum(len(target.keys) for target in project.targets)
        state = "done" if video.name in done else "begun" if project.targets else "new"
        return {"state": state, "targets": len(project.targets), "keys": keys}

    def close(self) -> None:
        """End all work and save all projects. Those that cannot be saved keep their journals, for the next start."""
        self.queue.close()
        self.exports.close()
        with self._turn:
            for desk in self._desks.values():
                try:
                    desk.close()
                except OutputError as error:
                    log.warning("%s; the next start has all edits", error)
            self._desks.clear()
        self.frames.close()
