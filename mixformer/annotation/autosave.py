"""Keep a project open for edits. Each edit is on the disk before the next one, so that none is lost.

Edits are written to a journal beside the file, NAME.mixformer.json.journal, a line each. Saving writes the whole file
and begins a new journal. After a program was killed, the next one that opens the file repeats the edits of the journal.
NAME.mixformer.json.undo keeps the saved edits, so that they can be undone even after a restart.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from mixformer.annotation.history import ProjectStep
from mixformer.annotation.journal import file_stamp, kept_history, replayed_history
from mixformer.annotation.project import AnnotationProject
from mixformer.annotation.project_files import journal_of, load_revision, project_text, save_project, undo_of
from mixformer.errors import OutputError
from mixformer.files import write_text
from mixformer.files.places import remove_files

log = logging.getLogger(__name__)

_FOLD = 8 * 2**20  # bytes of the journal after which the file is saved, and of edits that are kept for undo


class OpenProject:
    """A project's file with its history, open for edits. Only one program at a time may open it. It is not thread-safe.

    Attributes:
        path: path of the file.
        history: the present project, with the edits that can be undone.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, OpenProject, load_project
        >>> project = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> with OpenProject.create("clip.mixformer.json", project) as file:
        ...     _ = file.do({"edit": "add_target", "label": "person"})
        >>> load_project("clip.mixformer.json").target(1).label
        'person'
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file, and repeat the edits in its journal.

        Raises:
            DataError: if the file cannot be used; see `load_project`.
            OutputError: if its folder cannot be written.
        """
        self.path = Path(path)
        project, self._revision = load_revision(self.path)
        past, self._base, self._past = kept_history(project, self._undo, self._revision)
        self.history, known, edits = replayed_history(past, self._journal, self._revision)
        self._past += edits
        self._forgotten: tuple[ProjectStep, ...] = ()  # steps that only this process can undo or redo
        self._saved = file_stamp(self.path)
        self._file: BinaryIO | None = None
        if known:
            self._file = _open_at(self._journal, known)
        else:
            self._begin_journal()

    @classmethod
    def create(cls, path: str | Path, project: AnnotationProject) -> Self:
        """Write a new file, or replace an existing one, and open it.

        Raises:
            OutputError: if it cannot be written.
        """
        save_project(project, path)  # before its old edits go, which have another number: a killed program keeps them
        remove_files(journal_of(Path(path)), undo_of(Path(path)))
        return cls(path)

    @property
    def project(self) -> AnnotationProject:
        """The present project."""
        return self.history.project

    @property
    def _journal(self) -> Path:
        return journal_of(self.path)

    @property
    def _undo(self) -> Path:
        return undo_of(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def do(self, edit: Mapping[str, Any]) -> AnnotationProject:
        """Make an edit, and write it to the disk.

        Args:
            edit: a JSON object, as for `ProjectHistory.do`, including undo and redo.

        Raises:
            ConfigError, BoxError: if it cannot be made. Nothing is changed then.
            OutputError: if it cannot be written.
        """
        history = self.history.do(edit)
        if history is not self.history:
            if self._size > _FOLD:
                self.save()
            self._write(edit)
            self._past.append(_line(edit))
            moved = {*map(id, self.history.past)} ^ {*map(id, history.past)}
            is_old = not moved.isdisjoint(map(id, self._forgotten))
            if is_old and edit.get("edit") == "amend":  # in place of the step before, whose boxes are memory
                amended = self.history.past[-1]
                self._forgotten = (*(step for step in self._forgotten if step is not amended), history.past[-1])
            self.history = history
            if is_old and edit.get("edit") in ("undo", "redo"):
                self._forget()  # the next start could not repeat this from the journal
                self.save()
        return self.project

    def save(self) -> None:
        """Write the whole file and begin a new journal. Edits can still be undone; after a restart, up to 8 MB of them.

        Raises:
            OutputError: if the file cannot be written, or another program has changed it. The journal is kept then.
        """
        if file_stamp(self.path) != self._saved:
            raise OutputError(f"another program has changed {self.path}; close one of them and open the file again")
        save_project(self.project, self.path, self._revision + 1)
        self._revision += 1
        self._saved = file_stamp(self.path)
        self._keep_past()
        self._begin_journal()

    def move(self, path: str | Path, video: str) -> None:
        """Save under another name, for a video that has another name or place, and remove the files of the old name.

        Args:
            path: the new path; it may be the present one.
            video: the path of the video relative to it, with forward slashes.

        Raises:
            OutputError: if the file cannot be written; the old files stay then.
        """

        def moved(project: AnnotationProject) -> AnnotationProject:
            return replace(project, video=replace(project.video, path=video))

        old = () if self.path == Path(path) else (self.path, self._journal, self._undo)
        self.history, self._base = replace(self.history, project=moved(self.project)), moved(self._base)
        self.path = Path(path)
        self._saved = file_stamp(self.path)
        self.save()
        for each in old:
            each.unlink(missing_ok=True)

    def _forget(self) -> None:
        """Let the next start know no earlier edits."""
        self._base, self._past = self.project, []
        self._forgotten = (*self.history.past, *self.history.future)

    def _keep_past(self) -> None:
        """Write the edits so far, and the project before them. If that fails, they cannot be undone after a restart."""
        if sum(map(len, self._past)) > _FOLD:
            self._forget()
        head = _line({"undo": 1, "revision": self._revision}).decode()
        base = project_text(self._base).replace("\n", "")
        try:
            write_text(self._undo, f"{head}{base}\n{b''.join(self._past).decode()}")
        except OutputError as error:
            self._forget()
            log.warning("edits cannot be undone after a restart: %s", error)

    def close(self) -> None:
        """Save and remove the journal."""
        if self._file is None:
            return
        if self._edits:
            self.save()
        self._file.close()
        self._file = None
        self._journal.unlink(missing_ok=True)

    def _begin_journal(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            self._file = self._journal.open("wb")
        except OSError as error:
            raise OutputError(f"cannot write {self._journal}: {error}; move the project to another folder") from error
        self._write({"journal": 1, "revision": self._revision})

    @property
    def _size(self) -> int:
        return self._file.tell() if self._file else 0

    @property
    def _edits(self) -> bool:
        """Tell whether the journal holds more than its first line."""
        return self._size > len(_line({"journal": 1, "revision": self._revision}))

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._file is None:
            raise OutputError(f"{self.path} is closed; open it again")
        begin = self._file.tell()
        try:
            self._file.write(_line(entry))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file = _open_at(self._journal, begin)
            raise OutputError(f"cannot write {self._journal}: {error}; free space, then do it again") from error


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _open_at(path: Path, size: int) -> BinaryIO:
    """Open a journal to continue it after its first `size` bytes. The rest, such as half a line, is dropped."""
    try:
        file = path.open("r+b")
        file.truncate(size)
        file.seek(size)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; move the project to another folder") from error
    return file
