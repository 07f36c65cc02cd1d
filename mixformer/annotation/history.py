"""Undo and redo: the past and the future of a project as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mixformer.annotation.edit_values import apply_edit
from mixformer.annotation.project import AnnotationProject
from mixformer.errors import ConfigError, shown

_STEPS = 200  # that can be undone; targets that did not change are shared by all of them


@dataclass(frozen=True)
class ProjectHistory:
    """A project with what can be undone and redone. A value, as the project is.

    Attributes:
        project: as it is now.
        past: projects before each edit, the latest last; the last 200 are kept.
        future: projects that were undone, the nearest last.

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
            edit: as for `apply_edit`; or `{"edit": "undo"}`, `{"edit": "redo"}`; or several edits that are undone as
                one, `{"edit": "together", "edits": [...]}`; or several that belong to the step before, such as the next
                boxes of a tracker that runs, `{"edit": "amend", "edits": [...]}`.

        Raises:
            ConfigError: if it is no edit, and what `apply_edit` raises. Nothing is then changed.
        """
        name = edit.get("edit") if isinstance(edit, Mapping) else None
        if name == "undo":
            return self.undo()
        if name == "redo":
            return self.redo()
        edits = edit.get("edits") if name in ("together", "amend") else [edit]
        if not isinstance(edits, list):
            raise ConfigError(f"edits made together are a list, not {shown(edits, 60)}")
        project = self.project
        for each in edits:
            project = apply_edit(project, each)
        return replace(self, project=project, future=()) if name == "amend" and self.past else self.put(project)

    def put(self, project: AnnotationProject) -> ProjectHistory:
        """Take a changed project as one step that can be undone; nothing happens if it is the same."""
        if project is self.project:
            return self
        return ProjectHistory(project, (*self.past, self.project)[-_STEPS:])

    def undo(self) -> ProjectHistory:
        """Go back by one edit; at the first one nothing happens."""
        if not self.past:
            return self
        return replace(self, project=self.past[-1], past=self.past[:-1], future=(*self.future, self.project))

    def redo(self) -> ProjectHistory:
        """Make the edit again that was undone last; without one nothing happens."""
        if not self.future:
            return self
        return replace(self, project=self.future[-1], past=(*self.past, self.project), future=self.future[:-1])
