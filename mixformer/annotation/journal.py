"""Read a project with the edits beside its file: those of its journal, and those that can be undone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

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
            replay = _Replay(ProjectHistory(begun))
            for line in lines:
                replay.do(parse_json(line, str(path)))
            history = replay.end()
            if history.project == project:
                return history, begun, lines
    except (OSError, ValueError, MixFormerError) as error:
        log.info("%s: earlier edits cannot be undone: %s", path, error)
    return ProjectHistory(project), project, []


class _Replay:
    """Makes the edits of a journal again. Boxes of a tracker, which come in many small pieces, are put in at once."""

    def __init__(self, history: ProjectHistory, at_once: bool = True) -> None:
        self._history, self.at_once = history, at_once
        self._found: list[Mapping[str, Any]] = []  # edits that wait

    def do(self, entry: Any) -> None:
        """Make an edit, or let it wait."""
        if self.at_once and _is_found(entry):
            self._found.append(entry)
        else:
            self._history = self.end().do(entry)

    def end(self) -> ProjectHistory:
        """Make the edits that wait, and return the history. Raises MixFormerError if one of them cannot be made."""
        if self._found:
            edits = merged_edits(chain.from_iterable(each["edits"] for each in self._found))
            self._history, self._found = self._history.do({**self._found[0], "edits": edits}), []
        return self._history


def _is_found(entry: Any) -> bool:
    """Tell whether an edit holds nothing but boxes that a tracker found, for the step before."""
    if not isinstance(entry, dict) or entry.get("edit") != "amend" or not isinstance(entry.get("edits"), list):
        return False
    return all(
        isinstance(each, dict)
        and each.get("edit") == "set_tracked"
        and type(each.get("id")) is type(each.get("start")) is int
        and isinstance(each.get("rows"), list)
        for each in entry["edits"]
    )


def merged_edits(edits: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join edits "set_tracked" of one target and one way that touch, forward or backward, if none of it is between."""
    merged: list[tuple[dict[str, Any], deque[list[Any]]]] = []
    latest: dict[int, int] = {}  # place of the last edit of each target
    for each in edits:
        id, start, rows = each["id"], each["start"], each["rows"]
        place = latest.get(id)
        if place is not None and merged[place][0].get("way") == each.get("way"):
            edit, pieces = merged[place]
            if start == edit["start"] + edit["count"]:
                pieces.append(rows)
                edit["count"] += len(rows)
                continue
            if start + len(rows) == edit["start"]:
                pieces.appendleft(rows)
                edit |= {"start": start, "count": edit["count"] + len(rows)}
                continue
        latest[id] = len(merged)
        merged.append(({**each, "count": len(rows)}, deque([rows])))
    return [{**edit, "rows": list(chain.from_iterable(pieces))} for edit, pieces in merged]


def replayed_history(history: ProjectHistory, journal: Path, revision: int) -> tuple[ProjectHistory, int, list[bytes]]:
    """Repeat the edits of a journal. Return the new history, the number of bytes that were used, and the edits."""
    try:
        if not journal.is_file() or journal.stat().st_size > _LARGEST:
            return history, 0, []
        lines = journal.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise DataError(f"cannot read {journal}: {error}") from error
    try:
        return _repeated(_Replay(history), lines, journal, revision)
    except MixFormerError:  # one by one, to find the edits before that which cannot be made
        return _repeated(_Replay(history, at_once=False), lines, journal, revision)


def _repeated(
    replay: _Replay, lines: list[bytes], journal: Path, revision: int
) -> tuple[ProjectHistory, int, list[bytes]]:
    used, edits = 0, list[bytes]()
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break  # the program was killed while it wrote this
        try:
            entry = parse_json(line, f"{journal}, line {number}")
            if number > 1:
                replay.do(entry)
                edits.append(line)
            elif not isinstance(entry, dict) or entry.get("revision") != revision:
                return replay.end(), 0, []  # the file already has its edits
        except MixFormerError as error:
            if replay.at_once:
                raise
            log.warning("%s, line %d: %s; the edits from there on are left out", journal, number, error)
            break
        used += len(line)
    return replay.end(), used, edits
