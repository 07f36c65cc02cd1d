"""Keep what a command tracks in a project's file, so that the same command resumes even after it was killed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from mixformer.annotation.autosave import OpenProject
from mixformer.annotation.between import FoundBox, put_found
from mixformer.annotation.found_edits import found_edits, is_second
from mixformer.annotation.project import AnnotationProject
from mixformer.errors import DataError, OutputError

log = logging.getLogger(__name__)


class KeptBoxes:
    """A project that takes the boxes of `track_between`. After each second of video, they are on the disk.

    Use it in a `with` statement. An error of writing is a warning, since the result of the command matters more.
    """

    def __init__(self, project: AnnotationProject, path: Path | None, begin: Callable[[], object]) -> None:
        """Take boxes for `project`. `path` is its file, written when the first box comes, after a call of `begin`.

        None keeps the boxes in memory only.
        """
        self._project, self._path, self._begin = project, path, begin
        self._found: list[FoundBox] = []
        self._file: OpenProject | None = None

    @property
    def project(self) -> AnnotationProject:
        """The project with all boxes so far."""
        return put_found(self._project, self._found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._file is not None:
            self._keep()
        if self._file is not None:
            self._attempt(self._file.close)

    def put(self, found: FoundBox) -> None:
        """Add a box."""
        if self._path is not None and self._file is None:
            self._attempt(self._open)
        self._found.append(found)
        if self._file is not None and is_second(self._found, self._project.video.fps):
            self._keep()

    def _open(self) -> None:
        self._begin()
        assert self._path is not None
        self._file = OpenProject.create(self._path, self._project)

    def _keep(self) -> None:
        file = self._file
        if (
            file is not None
            and self._found
            and self._attempt(lambda: file.do({"edit": "amend", "edits": found_edits(self._found)}))
        ):
            self._project, self._found = file.project, []

    def _attempt(self, do: Callable[[], object]) -> bool:
        """Do something to the file. After an error, boxes are no longer kept in it."""
        try:
            do()
        except (DataError, OutputError, OSError) as error:
            log.warning("a run that is stopped now could not be resumed: %s", error)
            self._file = self._path = None
            return False
        return True
