"""Read a project with the edits beside its file: those of its journal, and those that can be undone."""

from __future__ import annotations

import logging
from pathlib import Path

from mixformer.annotation.history import ProjectHistory
from mixformer.annotation.project import AnnotationProject
from mixformer.annotation.project_files import journal_of, load_revision, project_of, undo_of
from mixformer.configs.argument_checks import checked
from mixformer.errors import DataError, MixFormerError
from mixformer.files import parse_json

log = logging.getLogger(__name__)

_LARGEST = 1024 * 2**20  # bytes of the largest journal to read


@checked
def load_project(path: str | Path) -> AnnotationProject:
    """Read a project as it is now, with the edits of its journal, which a program has not saved yet.

    Raises:
        DataError: if the file is missing, damaged, of another program or of a later version.

    Example:
        >>> from mixformer.annotation import load_project
        >>> load_project("boxes.json")
        Traceback (most recent call last):
        mixformer.errors.DataError: cannot read boxes.json: ...
    """
    file, project, before = Path(path), None, None
    while project is None or before != file_stamp(file):  # else it was saved, and its journal begun anew, meanwhile
        before = file_stamp(file)
        project, revision = load_revision(file)
        if _has_edits(journal_of(file)):
            past = kept_history(project, undo_of(file), revision)[0]
            project = replayed_history(past, journal_of(file), revision)[0].project
    return project


def file_stamp(path: Path) -> tuple[int, int]:
    """Return what changes whenever a project is written: time in nanoseconds, and bytes. 0, 0 if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _has_edits(journal: Path) -> bool:
    """Tell whether a journal has a line after its first. False if there is none."""
    try:
        with journal.open("rb") as file:
            file.readline()
            return bool(file.readline())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DataError(f"cannot read {journal}: {error}") from error


def kept_history(
    project: AnnotationProject, path: Path, revision: int
) -> tuple[ProjectHistory, AnnotationProject, list[bytes]]:
    """Read the history that led to a project, its beginning and its edits; the history is empty if unknown."""
    try:
        head, base, *lines = path.read_bytes().splitlines(keepends=True)
        if parse_json(head, str(path)) == {"undo": 1, "revision": revision}:
            begun = project_of(parse_json(base, str(path)), path)[0]
            history = ProjectHistory(begun)
            for line in lines:
                history = history.do(parse_json(line, str(path)))
            if history.project == project:
                return history, begun, lines
    except (OSError, ValueError, MixFormerError) as error:
        log.info("%s: earlier edits cannot be undone: %s", path, error)
    return ProjectHistory(project), project, []


def replayed_history(history: ProjectHistory, journal: Path, revision: int) -> tuple[ProjectHistory, int, list[bytes]]:
    """Repeat the edits of a journal. Return the new history, the number of bytes that were used, and the edits."""
    try:
        if not journal.is_file() or journal.stat().st_size > _LARGEST:
            return history, 0, []
        lines = journal.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise DataError(f"cannot read {journal}: {error}") from error
    used, edits = 0, list[bytes]()
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break  # the program was killed while it wrote this
        try:
            entry = parse_json(line, f"{journal}, line {number}")
            if number > 1:
                history = history.do(entry)
                edits.append(line)
            elif not isinstance(entry, dict) or entry.get("revision") != revision:
                return history, 0, []  # the file already has its edits
        except MixFormerError as error:
            log.warning("%s, line %d: %s; the edits from there on are left out", journal, number, error)
            break
        used += len(line)
    return history, used, edits
