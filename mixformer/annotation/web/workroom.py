"""All that a server holds: the videos, their frames, the open projects, and the work that runs."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

from mixformer.annotation.project_files import load_project
from mixformer.annotation.web.export_desk import ExportDesk
from mixformer.annotation.web.frame_store import FrameStore
from mixformer.annotation.web.project_desk import ProjectDesk, project_path
from mixformer.annotation.web.track_queue import TrackQueue
from mixformer.annotation.web.video_library import LibraryVideo, VideoLibrary
from mixformer.errors import DataError


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
                self._desks[video.id] = ProjectDesk(video.path, project_path(video.path))
            return self._desks[video.id]

    def _tell_damage(self, path: Path) -> None:
        for desk in list(self._desks.values()):
            if desk.path == project_path(path):
                desk.tell({"type": "damage"})

    def seen(self, video: LibraryVideo) -> None:
        """Forget the frames of a file that has changed since they were made."""
        if self._stamps.setdefault(video.path, video.stamp) != video.stamp:
            self.frames.forget(video.path)
            self._stamps[video.path] = video.stamp
            if desk := self._desks.get(video.id):
                desk.look_again(video.path)

    def listing(self) -> list[dict[str, Any]]:
        """List the videos with the state of the work: new, begun or done."""
        done = self.library.done()
        return [{"id": video.id, "name": video.name, **self._progress(video, done)} for video in self.library.videos()]

    def _progress(self, video: LibraryVideo, done: set[str]) -> dict[str, Any]:
        desk = self._desks.get(video.id)
        try:
            project = desk.project if desk else load_project(project_path(video.path))
        except DataError:
            return {"state": "new", "targets": 0, "keys": 0}
        keys = sum(len(target.keys) for target in project.targets)
        state = "done" if video.name in done else "begun" if project.targets else "new"
        return {"state": state, "targets": len(project.targets), "keys": keys}

    def close(self) -> None:
        """End all work and save all projects."""
        self.queue.close()
        self.exports.close()
        with self._turn:
            for desk in self._desks.values():
                desk.close()
            self._desks.clear()
        self.frames.close()
