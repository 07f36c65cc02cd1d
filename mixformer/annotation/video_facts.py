"""Facts of a video that a project keeps, and the search for the video when the project is opened."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from mixformer.annotation.project import AnnotatedVideo
from mixformer.errors import ConfigError, SourceError, shown
from mixformer.files.partial_names import real_path
from mixformer.imaging.containers import main_video, open_container
from mixformer.imaging.images import list_pictures
from mixformer.video.random_access import open_frames
from mixformer.video.reader import open_video
from mixformer.video.seeking import find_table

_HEAD = 64 * 2**10  # bytes


def look_at_video(video: str | Path, project_file: str | Path | None = None) -> AnnotatedVideo:
    """Read the facts of a video file or a folder of pictures.

    Args:
        video: the file or folder.
        project_file: the path of the video is given relative to this file's folder; None takes the video's own folder.

    Raises:
        SourceError: if it cannot be read, or holds no frame.

    Example:
        >>> from mixformer.annotation import look_at_video
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> look_at_video(DEMO_CLIP, DEMO_CLIP.parent.parent / "clip.mixformer.json").path
        'demo/orange_shirt.mp4'
    """
    path = _as_path(video)
    with open_frames(path) as frames:
        try:
            height, width = frames[0].image.shape[:2]
        except IndexError as error:
            raise SourceError(f"{path} has no readable first frame, so it cannot be annotated") from error
        count, fps = _count(path, frames.frame_count), frames.fps
    size, head = _identity(path)
    return AnnotatedVideo(_relative(path, project_file), width, height, count, fps, size, head)


def find_video(video: AnnotatedVideo, project_file: str | Path) -> Path:
    """Return where the video of a project is.

    Raises:
        ConfigError: if a value is of another type.
        SourceError: if it is not there.

    Example:
        >>> from mixformer.annotation import find_video, look_at_video
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> find_video(look_at_video(DEMO_CLIP), DEMO_CLIP.parent / "clip.mixformer.json") == DEMO_CLIP
        True
    """
    if not isinstance(video, AnnotatedVideo) or not isinstance(video.path, str):
        raise ConfigError(f"video must be the AnnotatedVideo of a project, not {shown(video, 60)}")
    path = _as_path(project_file).parent / video.path
    if not path.exists():
        raise SourceError(f"the video {path} of {project_file} is not there; put it back, or give its place")
    return path


def is_same_video(video: AnnotatedVideo, path: str | Path) -> bool:
    """Tell whether a file or folder has the size and the first bytes of a project's video.

    Example:
        >>> from mixformer.annotation import is_same_video, look_at_video
        >>> from mixformer.video.demo import DEMO_CLIP
        >>> is_same_video(look_at_video(DEMO_CLIP), DEMO_CLIP)
        True
    """
    if not isinstance(video, AnnotatedVideo):
        raise ConfigError(f"video must be the AnnotatedVideo of a project, not {shown(video, 60)}")
    return (video.size, video.head) == _identity(_as_path(path))


def is_other_video(video: AnnotatedVideo, path: str | Path) -> bool:
    """Tell whether a file or folder is known to be another one than a project's video."""
    return bool(video.size or video.head) and not is_same_video(video, path)


def _as_path(value: object) -> Path:
    if not isinstance(value, str | Path):
        raise ConfigError(f"a file or a folder must be a path, not {shown(value, 60)}")
    return Path(value)


def _relative(path: Path, project_file: str | Path | None) -> str:
    home = path.parent if project_file is None else _as_path(project_file).parent
    try:
        return Path(os.path.relpath(real_path(path), real_path(home))).as_posix()
    except ValueError:  # on another drive
        return real_path(path).as_posix()


def _identity(path: Path) -> tuple[int, str]:
    files = list_pictures(path) if path.is_dir() else [path]
    try:
        with files[0].open("rb") as file:
            head = hashlib.sha256(file.read(_HEAD)).hexdigest()
        return sum(file.stat().st_size for file in files), head
    except (OSError, IndexError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error


def _count(path: Path, promised: int | None) -> int:
    """Number of frames: by the index of an MP4 file, by the packets of others, or else by decoding them."""
    if path.is_dir() or promised is None or path.suffix.lower() not in (".mp4", ".mov", ".m4v"):
        return (promised or 0) if path.is_dir() else _count_packets(path)
    container = open_container(str(path))
    try:
        hidden: int = sum(entry.is_discard for entry in main_video(container).index_entries)
        return promised - hidden
    finally:
        container.close()


def _count_packets(path: Path) -> int:
    def again() -> tuple[object, object]:
        container = open_container(str(path))
        return container, main_video(container)

    table = find_table(again, None, str(path))
    if table is not None:
        return len(table.times)
    with open_video(path) as video:
        return sum(1 for _ in video) + len(video.skipped)
