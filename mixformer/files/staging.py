"""Folders in which a result of many files is made before it gets its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixformer.errors import OutputError, remedy
from mixformer.files.partial_names import beside, own_mark
from mixformer.files.places import clear_left_over


@contextmanager
def staging_folder(place: Path) -> Iterator[Path]:
    """Make a hidden folder beside a result, and remove it at the end.

    What killed processes left of such folders is removed first. Raises OutputError if the folder cannot be made.
    """
    clear_left_over(place.parent)
    folder = beside(place, ".", f".{own_mark()}.partial")
    try:
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"cannot write {place}: {error}; {remedy(error)}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
