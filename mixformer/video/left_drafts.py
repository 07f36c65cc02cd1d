"""Drafts that an interrupted run left, and how they are taken up again."""

from __future__ import annotations

import io
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from mixformer.files.partial_names import aside_of, partial_path
from mixformer.files.places import claim, remove_files

NUMBERED = re.compile(r"\d{8}\.png|\.\d{8}\.png\..*\.partial")  # and what a killed process left of one
"""Names of numbered pictures, and of what a killed process left of one."""


def take_back(path: Path) -> None:
    """Make a result that was put in its place before it was whole a draft again, so that it can be continued.

    What was set aside by a process that died before it had read it comes back too. Raises OSError if that fails.
    """
    part = partial_path(path)
    if aside_of(part).exists():
        aside_of(part).replace(part)
    elif path.is_dir():
        part.mkdir(exist_ok=True)
        for item in path.iterdir():
            if (item.is_dir() and item.stem.isdigit()) or NUMBERED.fullmatch(item.name):
                item.replace(part / item.name)
    elif path.is_file() and not part.exists():
        path.replace(part)


def put_back(part: Path, file: io.FileIO) -> io.FileIO:
    """Write a removed draft again from its open file, which still has the content. Return the new open file.

    Raises OSError if that fails, or another file is in its place.
    """
    with suppress(FileNotFoundError):
        if not os.path.samestat(part.stat(), os.fstat(file.fileno())):
            raise OSError(f"{part} is another file by now")
        return file
    part.parent.mkdir(parents=True, exist_ok=True)
    again = claim(part, part)
    file.seek(0)
    shutil.copyfileobj(file, again)
    file.close()
    return again


def drop_aside(path: Path) -> None:
    """Remove what was set aside for a result, since its draft holds it by now."""
    remove_files(aside_of(partial_path(path)))


def draft_of(path: Path) -> Path:
    """Return where an interrupted result is: what was set aside, its draft, or in its place."""
    part = partial_path(path)
    return next((place for place in (aside_of(part), part) if place.exists()), path)
