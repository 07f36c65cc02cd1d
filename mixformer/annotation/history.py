"""Undo and redo edits of a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mixformer.annotation.edit_values import apply_edit
from mixformer.annotation.project import AnnotationProject
from mixformer.errors import ConfigError, shown

_STEPS = 200  # number of edits that can be undone; unchanged targets are shared, so they need no memory


@dataclass(frozen=True)
class ProjectHistory:
    """A project with its earlier and its undone states. It is never changed in place.

    Attributes:
        project: the present project.
        past: projects before each of the last 200 edits, the latest last.
        future: undone projects, the nearest last.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, ProjectHistory
        >>> history = ProjectHistory(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> history = history.do({"edit": "add_target", "label": "person"})
        >>> [len(each.project.targets) for each in (history, history.undo(), history.undo().redo())]
        [1, 0, 1]
    """

    project: AnnotationProject
    past: tuple[AnnotationProject, ...] = ()
    future: tuple[AnnotationProject, ...] = ()

    def do(self, edit: Mapping[str, Any]) -> ProjectHistory:
        """Make an edit, or undo or redo one, written as a JSON object.

        Args:
            edit: as for `apply_edit`; or `{"edit": "undo"}` or `{"edit": "redo"}`; or `{"edit": "together", "edits":
                [...]}` for several edits that are undone as one; or `{"edit": "amend", "edits": [...]}` for edits that
                belong to the step before, such as the next boxes of a running tracker.

        Raises:
            ConfigError: if the edit is invalid; nothing is changed then.
            BoxError: if a box is invalid; nothing is changed then.
        """
        name = edit.get("edit") if isinstance(edit, Mapping) else None
        if name == "undo":
            return self.undo()
        if name == "redo":
            return self.redo()
        edits = edit.get("edits") if name in ("together", "amend") else [edit]
        if not isinstance(edits, list):
            raise ConfigError(f"edits made together must be a list, not {shown(edits, 60)}")
        project = self.project
        for each in edits:
            project = apply_edit(project, each)
        return replace(self, project=project, future=()) if name == "amend" and self.past else self.put(project)

    def put(self, project: AnnotationProject) -> ProjectHistory:
        """Add a changed project as one step that can be undone. The same project changes nothing."""
        if project is self.project:
            return self
        return ProjectHistory(project, (*self.past, self.project)[-_STEPS:])

    def undo(self) -> ProjectHistory:
        """Go back by one edit, if there is one."""
        if not self.past:
            return self
        return replace(self, project=self.past[-1], past=self.past[:-1], future=(*self.future, self.project))

    def redo(self) -> ProjectHistory:
        """Repeat the edit that was undone last, if there is one."""
        if not self.future:
            return self
        return replace(self, project=self.future[-1], past=(*self.past, self.project), future=self.future[:-1])
