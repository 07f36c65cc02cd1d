"""Find the project of a video, also after the video was renamed or moved."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from mixformer.annotation import AnnotatedVideo, OpenProject, is_same_video, load_project
from mixformer.annotation.project_files import ENDING
from mixformer.errors import MixFormerError, SourceError
from mixformer.files.partial_names import beside
from mixformer.files.places import claim, lock_of


def project_path(video: Path) -> Path:
    """Return the path of a video's project, which is beside the video.

    It is VIDEO.mixformer.json with the whole name of the video, or without its ending if such a file is of this video.
    A name that would be too long for the file system is cut.
    """
    whole, short = (_named_after(video, name) for name in (video.name, video.stem))
    if whole.exists() or not short.exists():
        return whole
    found = _video_of(short)
    return short if found is not None and found.path == video.name else whole


def _named_after(video: Path, name: str) -> Path:
    """Return a path beside a video that leaves room for the names of the files beside a project."""
    longest = beside(video, ".", f"{ENDING}.journal", stem=name)
    return video.with_name(longest.name[1:].removesuffix(".journal"))


def left_projects(folders: Iterable[Path]) -> dict[Path, AnnotatedVideo]:
    """Return the projects in some folders that are named after a video which is not there any more, with that video."""
    found = dict[Path, AnnotatedVideo]()
    for file in (file for folder in sorted(folders) for file in sorted(folder.glob(f"*{ENDING}"))):
        if file.with_name(file.name.removesuffix(ENDING)).exists():
            continue
        video = _video_of(file)
        if video is None or os.path.exists(place := file.parent / video.path):  # Path.exists fails for long names
            continue
        if file.name in (_named_after(place, name).name for name in (place.name, place.stem)):
            found[file] = video
    return found


def earlier_project(video: Path, left: dict[Path, AnnotatedVideo]) -> Path | None:
    """Return the one of some projects whose video had the size and the first bytes of this one, if it can be read."""
    with suppress(SourceError):
        return next((file for file, known in left.items() if is_same_video(known, video)), None)
    return None


def take_over(project: Path, video: Path) -> None:
    """Move a project beside its video, under the name of the video, with all that can be undone.

    Raises OutputError if another program has it open, or it cannot be written.
    """
    lock = lock_of(project)
    with closing(claim(lock, project)):
        with OpenProject(project) as file:
            file.move(project_path(video), video.name)
        lock.unlink(missing_ok=True)


def _video_of(project: Path) -> AnnotatedVideo | None:
    try:
        return load_project(project).video
    except MixFormerError:
        return None
