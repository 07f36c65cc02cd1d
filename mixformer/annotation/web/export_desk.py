"""Make exports in the background, one at a time, and import files."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mixformer.annotation import (
    ANNOTATION_FORMATS,
    AnnotationProject,
    export_annotations,
    import_annotations,
    load_project,
    save_project,
)
from mixformer.annotation.formats.zipped import format_of_zip
from mixformer.annotation.project_files import ENDING, fields_of
from mixformer.annotation.web.annotated_video import write_annotated
from mixformer.annotation.web.project_desk import ProjectDesk
from mixformer.annotation.web.video_library import LibraryVideo
from mixformer.data.importers.tracks import require_same_size
from mixformer.errors import ConfigError, DataError, MixFormerError, StateError
from mixformer.files import read_json_file

IMPORTS = (".mixformer.json", ".json", ".xml", ".zip", ".jsonl", ".csv")
"""Endings of the files that can be imported."""
_ENDINGS = {"cvat": ".xml", "jsonl": ".jsonl", "csv": ".csv"}  # endings of exports that are one file
_MOST = 32  # largest number of exports that wait, run or can be fetched

Progress = Callable[[int, int], bool]
"""A function of the numbers of finished and of all parts, which tells whether to continue."""


@dataclass(frozen=True)
class PageExport:
    """One format in the page's list."""

    name: str
    title: str
    text: str  # what it is good for
    ending: str  # of its file
    write: Callable[[AnnotationProject, Path, Path, Progress], object]


@dataclass
class _Export:
    """One export of one video."""

    format: PageExport
    video: LibraryVideo
    desk: ProjectDesk
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "waiting"
    done: int = 0
    total: int = 1
    error: str = ""
    halt: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> Path:
        return self.folder / f"result{self.format.ending}"

    @property
    def name(self) -> str:
        return f"{Path(self.video.name).stem}_{self.format.name}{self.format.ending}"

    def news(self) -> dict[str, Any]:
        names = ("id", "state", "done", "total", "error", "name")
        return {"type": "export", "format": self.format.name, **{name: getattr(self, name) for name in names}}


class ExportDesk:
    """The exports of a server. Their files are kept in a temporary folder until the server ends."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mixformer-web-"))
        self._thread = ThreadPoolExecutor(1, "export")
        self._exports: dict[str, _Export] = {}
        self._lock = threading.Lock()

    def formats(self) -> list[dict[str, Any]]:
        """List the formats for the page."""
        return [{"name": each.name, "title": each.title, "text": each.text} for each in _formats().values()]

    def begin(self, video: LibraryVideo, desk: ProjectDesk, format: str) -> dict[str, Any]:
        """Put an export of the present project into the queue.

        Raises ConfigError if there is no such format, and StateError if too many exports wait.
        """
        known = _formats()
        if format not in known:
            raise ConfigError(f"there is no format {format!r:.60}; there are: {', '.join(known)}")
        with self._lock:
            for old in list(self._exports.values()):
                if len(self._exports) >= _MOST and old.state not in ("waiting", "running"):
                    self._remove(old)
            if len(self._exports) >= _MOST:
                raise StateError(f"{_MOST} exports wait already; try again later")
            made = _Export(known[format], video, desk, Path(tempfile.mkdtemp(dir=self._folder)))
            self._exports[made.id] = made
        self._thread.submit(self._run, made, desk.project)
        return made.news()

    def _run(self, made: _Export, project: AnnotationProject) -> None:
        def progress(done: int, total: int) -> bool:
            made.done, made.total = done, total
            if done % 25 == 0:
                made.desk.tell(made.news())
            return not made.halt.is_set()

        try:
            made.state = "running"
            if not made.halt.is_set():
                made.format.write(project, made.video.path, made.path, progress)
            made.state = "stopped" if made.halt.is_set() else "done"
        except Exception as error:
            known = isinstance(error, MixFormerError | OSError | ImportError)
            made.state, made.error = "failed", str(error) if known else f"it failed: {type(error).__name__}: {error}"
        made.desk.tell(made.news())

    def state(self, id: str) -> dict[str, Any] | None:
        """Return the progress of an export, or None if there is no such export."""
        found = self._exports.get(id)
        return None if found is None else found.news()

    def file(self, id: str) -> tuple[Path, str] | None:
        """Return the path and the name of the file of a finished export, or None."""
        found = self._exports.get(id)
        return (found.path, found.name) if found is not None and found.state == "done" else None

    def drop(self, id: str) -> bool:
        """Stop an export and remove its file; return False if there is no such export."""
        with self._lock:
            found = self._exports.get(id)
            if found is None:
                return False
            found.halt.set()
            self._remove(found)
            return True

    def _remove(self, export: _Export) -> None:
        self._exports.pop(export.id, None)
        shutil.rmtree(export.folder, ignore_errors=True)

    def take_in(self, path: Path, desk: ProjectDesk, person: str = "") -> dict[str, Any]:
        """Replace the targets of a project by those of a file, as one edit.

        Raises DataError if the file cannot be read, ConfigError or BoxError if its boxes do not fit the video.
        """
        read = _imported(path, desk.project)
        edit = {"edit": "replace_targets", "targets": [fields_of(target) for target in read.targets]}
        return desk.edit(edit, person=person)

    def close(self) -> None:
        """Stop all exports and remove their files."""
        for export in list(self._exports.values()):
            export.halt.set()
        self._thread.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def _formats() -> dict[str, PageExport]:
    others = [
        PageExport(name, each.title, each.help, _ENDINGS.get(name, ".zip"), partial(_write, name))
        for name, each in ANNOTATION_FORMATS.items()
    ]
    later = "key boxes, tracked boxes and scores, to go on later"
    project = PageExport(
        "project", "mixformer project", later, ENDING, lambda project, _, path, __: save_project(project, path)
    )
    video = PageExport("video", "Annotated video", "an MP4 file with the boxes drawn on it", ".mp4", write_annotated)
    return {each.name: each for each in (*others, project, video)}


def _write(format: str, project: AnnotationProject, video: Path, path: Path, progress: Progress) -> None:
    def go_on(done: int, total: int) -> None:
        if not progress(done, total):
            raise StateError("the export was stopped")

    export_annotations(project, format, path, video=video, progress=go_on)


def _imported(path: Path, here: AnnotationProject) -> AnnotationProject:
    """Read a file by its ending; JSON is a project, tasks of Label Studio (a list), or COCO."""
    ending = path.suffix.lower()
    format = next((name for name, each in _ENDINGS.items() if each == ending), None)
    if ending == ".zip":
        format = format_of_zip(path)
    if ending == ".json":
        content = read_json_file(path)
        if isinstance(content, dict) and "format" in content:
            project = load_project(path)
            require_same_size((project.video.width, project.video.height), (here.video.width, here.video.height), path)
            return project
        format = "label-studio" if isinstance(content, list) else "coco"
    if format is None:
        raise DataError(f"{path.name} is no annotation file; give a project, or {', '.join(IMPORTS)}")
    return import_annotations(path, format, here.video)
