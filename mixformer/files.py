"""Writing files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError

from mixformer.errors import OutputError

Writer = Callable[[Path], object]


def write_files(files: Mapping[Path, Writer]) -> None:
    """Write several files so that a failure leaves all of them as they were.

    Each is written under a temporary name beside its place; only when all are on the disk are they renamed. Missing
    folders are made.

    Args:
        files: final path -> function that writes the content to the path it is given.

    Raises:
        OutputError: if anything cannot be written (disk full, no permission, a file where a folder should be).
    """
    partial = {path: path.with_name(f".{path.name}.partial") for path in files}
    made: list[Path] = []
    try:
        for path, write in files.items():
            _make_folder(path.parent, made)
            _write(partial[path], write)
        for path in files:
            partial[path].replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:
        _clean(list(partial.values()), made)
        names = " and ".join(str(path) for path in files)
        raise OutputError(
            f"could not write {names}: {error}; check free space and permissions, nothing was changed"
        ) from error


def _write(path: Path, write: Writer) -> None:
    """One file, on the disk when this returns."""
    path.touch()
    usual = path.stat().st_mode
    write(path)
    path.chmod(usual)  # safetensors makes files that only their owner can read
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        made.append(path)


def _clean(partial: list[Path], made: list[Path]) -> None:
    """Remove what a failed write left; a path that cannot be removed is not worth a second error."""
    for path in partial:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue
    for path in reversed(made):
        try:
            path.rmdir()
        except OSError:
            continue
