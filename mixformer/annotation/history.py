"""Undo and redo edits of a project, also those of one of several people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mixformer.annotation.edit_values import apply_edit
from mixformer.annotation.project import AnnotatedTarget, AnnotationProject
from mixformer.errors import ConfigError, shown

_STEPS = 200  # number of edits that can be undone; unchanged targets are shared, so they need no memory
_Targets = tuple[AnnotatedTarget, ...]


@dataclass(frozen=True)
class ProjectStep:
    """One edit, or several made together, which are undone as one.

    Attributes:
        before: targets before it.
        after: targets after it.
        by: name of who made it, or empty.
    """

    before: _Targets
    after: _Targets
    by: str = ""

    @property
    def changed(self) -> list[int]:
        """Ids of the targets that it changed."""
        before, after = _by_id(self.before), _by_id(self.after)
        return [id for id in {**before, **after} if before.get(id) is not after.get(id)]


@dataclass(frozen=True)
class ProjectHistory:
    """A project with the steps that led to it, and the undone ones. It is never changed in place.

    Attributes:
        project: the present project.
        past: the last 200 steps, the latest last.
        future: undone steps, the latest undone last.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, ProjectHistory
        >>> history = ProjectHistory(AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50)))
        >>> history = history.do({"edit": "add_target", "label": "person"})
        >>> [len(each.project.targets) for each in (history, history.undo(), history.undo().redo())]
        [1, 0, 1]
    """

    project: AnnotationProject
    past: tuple[ProjectStep, ...] = ()
    future: tuple[ProjectStep, ...] = ()

    def do(self, edit: Mapping[str, Any]) -> ProjectHistory:
        """Make an edit, or undo or redo one, written as a JSON object.

        Args:
            edit: as for `apply_edit`, with the name of who makes it as `by`, if wanted; or `{"edit": "undo"}` or
                `{"edit": "redo"}`, with `back` as for `undo`; or `{"edit": "together", "edits": [...]}` for several
                edits that are undone as one; or `{"edit": "amend", "edits": [...]}` for edits that belong to the step
                before, such as the next boxes of a running tracker.

        Raises:
            ConfigError: if the edit is invalid; nothing is changed then.
            BoxError: if a box is invalid; nothing is changed then.
        """
        name = edit.get("edit") if isinstance(edit, Mapping) else None
        if name in ("undo", "redo"):
            back = edit.get("back", 0)
            if isinstance(back, bool) or not isinstance(back, int):
                raise ConfigError(f"back must be a number of steps, not {shown(back, 60)}")
            return self.undo(back) if name == "undo" else self.redo(back)
        edits = edit.get("edits") if name in ("together", "amend") else [edit]
        if not isinstance(edits, list):
            raise ConfigError(f"edits made together must be a list, not {shown(edits, 60)}")
        project, by = self.project, str(edit.get("by", "")) if isinstance(edit, Mapping) else ""
        for each in edits:
            project = apply_edit(project, each)
        if name == "amend" and self.past:
            last = self.past[-1]
            before = _turned(self.project, last.after, last.before).targets
            step = ProjectStep(before, project.targets, last.by)
            return ProjectHistory(project, (*self.past[:-1], step), self._others(last.by))
        return self.put(project, by)

    def put(self, project: AnnotationProject, by: str = "") -> ProjectHistory:
        """Add a changed project as one step that can be undone. The same project changes nothing."""
        if project is self.project:
            return self
        step = ProjectStep(self.project.targets, project.targets, by)
        return ProjectHistory(project, (*self.past, step)[-_STEPS:], self._others(by))

    def _others(self, by: str) -> tuple[ProjectStep, ...]:
        """Return the undone steps of others, which can still be redone."""
        return tuple(step for step in self.future if step.by != by)

    def undo(self, back: int = 0) -> ProjectHistory:
        """Take back the last step, if there is one, or the one that is `back` steps before it.

        Raises ConfigError if a later step has changed the same targets.
        """
        if not 0 <= back < len(self.past):
            return self
        step, past = _taken(self.past, back)
        return ProjectHistory(_turned(self.project, step.after, step.before), past, (*self.future, step)[-_STEPS:])

    def redo(self, back: int = 0) -> ProjectHistory:
        """Repeat the step that was undone last, if there is one, or the one that was undone `back` steps before it.

        Raises ConfigError if a later step has changed the same targets.
        """
        if not 0 <= back < len(self.future):
            return self
        step, future = _taken(self.future, back)
        return ProjectHistory(_turned(self.project, step.before, step.after), (*self.past, step)[-_STEPS:], future)


def _taken(steps: tuple[ProjectStep, ...], back: int) -> tuple[ProjectStep, tuple[ProjectStep, ...]]:
    place = len(steps) - 1 - back
    return steps[place], steps[:place] + steps[place + 1 :]


def _by_id(targets: _Targets) -> dict[int, AnnotatedTarget]:
    return {target.id: target for target in targets}


def _turned(project: AnnotationProject, old: _Targets, new: _Targets) -> AnnotationProject:
    """Replace the targets that a step changed, which have to be those that it left."""
    now, was, then = _by_id(project.targets), _by_id(old), _by_id(new)
    order = list(then) if list(now) == list(was) else [*now, *(id for id in then if id not in now)]
    for id in ProjectStep(old, new).changed:
        if now.get(id) is not was.get(id):
            raise ConfigError(f"somebody has changed target {id} since; so this step stays as it is")
        now.pop(id, None)
        if id in then:
            now[id] = then[id]
    return replace(project, targets=tuple(now[id] for id in order if id in now))
