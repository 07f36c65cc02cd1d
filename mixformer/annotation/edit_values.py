"""Edits of a project as JSON values, for a journal and for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mixformer.annotation.edits import (
    add_target,
    change_target,
    clear_tracked,
    mark_absent,
    remove_key,
    remove_target,
    set_key,
    set_tracked,
)
from mixformer.annotation.project import AnnotationProject
from mixformer.annotation.project_checks import tracked_rows_of
from mixformer.annotation.project_files import with_fields
from mixformer.errors import BoxError, ConfigError, did_you_mean, shown


def _add(project: AnnotationProject, edit: Mapping[str, Any]) -> AnnotationProject:
    return add_target(project, edit.get("id"), edit.get("label", ""), edit.get("color"), edit.get("attributes"))


def _track(project: AnnotationProject, edit: Mapping[str, Any]) -> AnnotationProject:
    return set_tracked(project, edit["id"], edit["start"], tracked_rows_of(edit["rows"]), edit.get("way", "forward"))


def _replace_targets(project: AnnotationProject, edit: Mapping[str, Any]) -> AnnotationProject:
    project = replace(project, targets=())
    for fields in edit["targets"]:
        project = with_fields(project, fields)
    return project


_Apply = Callable[[AnnotationProject, Mapping[str, Any]], AnnotationProject]
EDITS: Mapping[str, _Apply] = MappingProxyType(
    {
        "add_target": _add,
        "remove_target": lambda project, edit: remove_target(project, edit["id"]),
        "change_target": lambda project, edit: change_target(
            project, edit["id"], edit.get("label"), edit.get("color"), edit.get("attributes")
        ),
        "set_key": lambda project, edit: set_key(
            project, edit["id"], edit["frame"], edit["box"], edit.get("occluded", False)
        ),
        "mark_absent": lambda project, edit: mark_absent(project, edit["id"], edit["frame"]),
        "remove_key": lambda project, edit: remove_key(project, edit["id"], edit["frame"]),
        "set_tracked": _track,
        "replace_targets": _replace_targets,
        "clear_tracked": lambda project, edit: clear_tracked(
            project, edit["id"], edit.get("first", 0), edit.get("stop")
        ),
    }
)
"""Functions by the name of the edit. Each takes a project and an edit of `apply_edit`, and returns the new project."""


def apply_edit(project: AnnotationProject, edit: Mapping[str, Any]) -> AnnotationProject:
    """Make an edit that is written as a JSON object.

    Args:
        project: the project.
        edit: `{"edit": NAME, ...}` with the arguments of the function of that name. Rows of `set_tracked` are lists
            `[x, y, w, h, score, status]`; status (0, 1, 2) and score may be missing or null. `replace_targets` takes
            `targets` as in a project's file.

    Raises:
        ConfigError: if the edit has an unknown name or a wrong value.
        BoxError: if a box is invalid.

    Example:
        >>> from mixformer.annotation import AnnotatedVideo, AnnotationProject, apply_edit
        >>> project = AnnotationProject(AnnotatedVideo("clip.mp4", 640, 360, frame_count=50))
        >>> project = apply_edit(project, {"edit": "add_target", "label": "person"})
        >>> project = apply_edit(project, {"edit": "set_key", "id": 1, "frame": 0, "box": [260, 29, 41, 142]})
        >>> project = apply_edit(project, {"edit": "set_tracked", "id": 1, "start": 1, "rows": [[9, 29, 41, 142]]})
        >>> len(project.target(1).keys), len(project.target(1).tracked)
        (1, 1)
    """
    name = edit.get("edit") if isinstance(edit, Mapping) else None
    if not isinstance(name, str) or name not in EDITS:
        near = did_you_mean(str(name), EDITS)
        raise ConfigError(f"there is no edit {shown(name, 60)}; there are: {', '.join(EDITS)}{near}")
    try:
        return EDITS[name](project, edit)
    except KeyError as error:
        raise ConfigError(f"the edit {name} needs a value {error}") from error
    except (ConfigError, BoxError):
        raise
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ConfigError(f"the edit {name} has a value of the wrong type: {error}") from error
