"""Where an interrupted run keeps what the same command resumes from, and what tells its source from others."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mixformer.errors import OutputError
from mixformer.files.partial_names import beside, real_path, with_room
from mixformer.files.places import claim, lock_of, remove_files
from mixformer.files.special_files import is_special
from mixformer.imaging.images import list_pictures


def resume_path(outputs: Mapping[str, str | Path]) -> Path | None:
    """Return the path of the file beside the first of some results; None without results, or if one is a device."""
    paths = [Path(path) for path in outputs.values()]
    return None if not paths or any(map(is_special, paths)) else beside(real_path(paths[0]), ".", ".resume")


def kept_path(note: Path) -> Path:
    """Return the path of the project in which a run keeps its boxes, by the path of the file that names the run."""
    return with_room(note.with_name(f"{note.name}.json"), ".journal")


def forget(outputs: Mapping[str, str | Path]) -> None:
    """Remove the files beside some results: another run begins to write them."""
    if path := resume_path(outputs):
        remove_files(path, *path.parent.glob(f"{glob.escape(kept_path(path).name)}*"))
        lock = lock_of(Path(next(iter(outputs.values()))))
        with suppress(OSError, OutputError):
            if lock.exists():  # of a killed process; that of a living one cannot be claimed
                claim(lock, path).close()
                lock.unlink(missing_ok=True)


def source_facts(source: Path) -> list[str | int]:
    """Return what tells a video from others: place, bytes and time. Of a folder, they are those of its pictures.

    The time of the folder itself changes with every other file in it, such as a result.
    """
    looks = [picture.lstat() for picture in list_pictures(source)] if source.is_dir() else [source.stat()]
    times = (look.st_mtime_ns for look in looks)
    return [str(real_path(source)), sum(look.st_size for look in looks), max(times, default=0)]
