"""Write files that are either whole or not there, and read text, JSON and numbers that others wrote.

Any fault of an input becomes one error of the kind that the caller names.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import Any

import numpy as np

from mixformer.errors import OutputError, remedy
from mixformer.files.foreign_text import (
    LARGEST_ANNOTATION,
    LARGEST_SETTINGS,
    Problem,
    as_numbers,
    decode,
    first_twice,
    parse_csv,
    parse_json,
    pipes_kept,
    read_csv_file,
    read_json_file,
    read_text_file,
)
from mixformer.files.partial_names import beside, own_mark, real_path
from mixformer.files.places import clear_left_over, new_folders, open_raw, remove_folders
from mixformer.files.special_files import is_special

__all__ = [
    "LARGEST_ANNOTATION",
    "LARGEST_SETTINGS",
    "Problem",
    "arrays_writer",
    "as_numbers",
    "decode",
    "first_twice",
    "make_folder",
    "parse_csv",
    "parse_json",
    "path_kind",
    "pipes_kept",
    "read_csv_file",
    "read_json_file",
    "read_text_file",
    "text_writer",
    "write_files",
    "write_text",
]

Writer = Callable[[Path], object]


def write_files(files: Mapping[Path, Writer], *, sync: bool = True) -> None:
    """Write several files so that a failure leaves all of them as they were.

    `files` holds for each final path a function that writes the content to the path it is given. Each is written under
    a temporary name of its own beside its place, and all are renamed at the end. Missing folders are made. Several
    processes may write the same file: the last one wins. What killed processes left is removed. A link stays one, and
    the file that it leads to is written. Devices and pipes get the content when it is whole. With `sync`, the content
    survives a power failure. Raises OutputError if anything cannot be written.
    """
    from safetensors import SafetensorError

    mark = own_mark()
    places = {path: path if is_special(path) else real_path(path) for path in files}  # a link stays one
    # Each in a folder of its own, since safetensors writes beside what it is given first.
    partial = {path: beside(place, ".", f".{mark}.partial") for path, place in places.items() if not is_special(place)}
    made: list[Path] = []
    try:
        if sync:  # what is written without, is written so often that looking each time would take too long
            for folder in {place.parent for place in partial.values()}:
                clear_left_over(folder)
        for path, write in files.items():
            if path in partial:
                made += new_folders(partial[path].parent)
                partial[path].mkdir()
            else:
                partial[path] = Path(mkdtemp(prefix=f".{mark}."))
            _write(partial[path] / path.name, write, sync)
        for path, place in places.items():
            _put(partial[path] / path.name, place)
            partial[path].rmdir()
    except (OSError, RuntimeError, SafetensorError) as error:
        _clean(partial.values(), made)
        names = " and ".join(str(path) for path in files)
        message = f"could not write {names}: {error}; nothing was changed; {remedy(error)}"
        raise OutputError(message) from error
    except BaseException:  # Ctrl-C
        _clean(partial.values(), made)
        raise


def _put(content: Path, place: Path) -> None:
    """Move a file to its place; into a device or a pipe, which nothing takes the place of, it is copied."""
    if not is_special(place):
        content.replace(place)
        return
    with content.open("rb") as file, io.BufferedWriter(open_raw(place, place, os.O_WRONLY)) as target:
        shutil.copyfileobj(file, target)
    content.unlink()


def write_text(path: Path, text: str) -> None:
    """Write one text file; see `write_files` and `text_writer`."""
    write_files({path: text_writer(text)})


def text_writer(text: str) -> Writer:
    """Return a function for `write_files` that writes UTF-8 text with line ends of Unix."""
    return lambda part: part.write_text(text, encoding="utf-8", newline="\n")


def arrays_writer(arrays: Mapping[str, Any], *, compressed: bool = False) -> Writer:
    """Return a function for `write_files` that writes arrays as an NPZ file, also under a name with another ending."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            (np.savez_compressed if compressed else np.savez)(file, **arrays)

    return write


def make_folder(folder: Path) -> None:
    """Make a folder before long work, and try to write into it; raises OutputError if that fails."""
    try:
        real_path(folder).mkdir(parents=True, exist_ok=True)  # a link may lead to a folder that is not there yet
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(f"cannot write into the folder {folder}: {error}; give another one") from error


def _write(path: Path, write: Writer, sync: bool) -> None:
    path.touch()
    usual = path.stat().st_mode
    write(path)
    path.chmod(usual)  # safetensors makes files that only their owner can read
    if sync:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _clean(partial: Iterable[Path], made: list[Path]) -> None:
    """Remove what a failed write left; a path that cannot be removed is not worth a second error."""
    for path in partial:
        shutil.rmtree(path, ignore_errors=True)
    remove_folders(made)


def path_kind(path: str | Path) -> str:
    """Tell what a path from outside leads to: "file", "folder" or "" (also if no such path can be)."""
    try:
        return "folder" if os.path.isdir(path) else "file" if os.path.exists(path) else ""
    except (OSError, ValueError):
        return ""
