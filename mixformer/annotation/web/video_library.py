"""The videos that a server may show: one, or those under one folder. A page knows them by ids, never by paths."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mixformer.annotation.project_files import ENDING
from mixformer.errors import DataError, OutputError, SourceError, remedy
from mixformer.files import read_json_file, write_text
from mixformer.files.partial_names import real_path
from mixformer.imaging.images import is_picture, natural_order
from mixformer.video import open_frames

VIDEOS = frozenset(
    {*(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv")}
    | {".gif", ".3gp", ".ogv", ".mxf", ".y4m"}
)
"""Endings of the files that count as videos."""
_DEEPEST, _MOST = 4, 5000
_LONGEST_NAME = 200  # bytes of the name of an upload; file systems take 255, and a project has a longer one
LONGEST_HEADER = 4000
"""Letters of the name of an upload in its header, in which a letter takes up to 12."""
_DONE = ".mixformer-done.json"


@dataclass(frozen=True)
class LibraryVideo:
    """One video of a library."""

    id: str  # what requests call it
    name: str  # path below the library's folder, for people
    path: Path  # of the file or folder of pictures, without links
    stamp: str  # changes when the file does


class UploadTooLargeError(OutputError):
    """An upload that has more bytes than the server takes."""


class VideoLibrary:
    """The videos under a folder, or one video alone. Links that lead out of the folder are left out."""

    def __init__(self, place: str | Path) -> None:
        """Open a place. Raises SourceError if it is no video and no folder."""
        given = Path(place)
        try:
            self._open(given)
        except PermissionError as error:
            raise SourceError(f"cannot read {given}: {error}; {remedy(error)}") from error

    def _open(self, given: Path) -> None:
        if not given.exists():
            raise SourceError(f"there is no file or folder {given}")
        if not given.is_file() and not given.is_dir():
            raise SourceError(f"{given} is a pipe or a device; give a video, or a folder with videos")
        self.only = real_path(given) if given.is_file() or _holds_pictures(given) else None
        self.root = real_path(given.parent if self.only else given)
        self._places: dict[str, Path] = {}
        self._lock = threading.Lock()  # held while the file of the videos that are done is changed
        if given.is_file():
            open_frames(given).close()

    @property
    def takes_uploads(self) -> bool:
        """Tell whether further videos may be put into the folder."""
        return self.only is None and os.access(self.root, os.W_OK)

    def videos(self) -> list[LibraryVideo]:
        """List the videos as they are now, by name."""
        paths = [self.only] if self.only else _walk(self.root, self.root, _DEEPEST)
        seen = {video: path for path in paths[:_MOST] if (video := self._video(path)) is not None}
        self._places = {video.id: path for video, path in seen.items()}
        return sorted(seen, key=lambda video: (natural_order(video.name.lower()), video.name))

    def find(self, id: str) -> LibraryVideo | None:
        """Return a video by its id; None if there is none, or it leads out of the folder by now."""
        place = self._places.get(id)
        if place is None:
            self.videos()
            place = self._places.get(id)
        return None if place is None else self._video(place)

    def done(self) -> set[str]:
        """Names of the videos that a person has called done."""
        try:
            names = read_json_file(self.root / _DONE)
        except DataError:
            return set()
        return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()

    def set_done(self, name: str, done: bool) -> None:
        """Call a video done, or not; raises OutputError if that cannot be written."""
        with self._lock:
            names = self.done() | {name} if done else self.done() - {name}
            write_text(self.root / _DONE, json.dumps(sorted(names), ensure_ascii=False) + "\n")

    @property
    def folders(self) -> set[Path]:
        """The folders that hold videos, or may hold what was left of videos that were renamed."""
        return {self.root, *(path.parent for path in self._places.values())}

    def rename_done(self, old: Path, video: LibraryVideo) -> None:
        """Call a video done if it was so under the name of its old project."""
        name = old.relative_to(self.root).as_posix().removesuffix(ENDING)
        if name in self.done():
            self.set_done(name, False)
            self.set_done(video.name, True)

    async def take(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> LibraryVideo:
        """Write an upload into the folder, piece by piece.

        Raises OutputError if its name is no video's or is taken, or it cannot be written, UploadTooLargeError if it has
        more than `limit` bytes, and SourceError if it is no video.
        """
        path = self.root / safe_name(name)
        if path.suffix.lower() not in VIDEOS:
            raise OutputError(f"{path.name} has none of the endings of videos: {', '.join(sorted(VIDEOS))}")
        part = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
        try:
            await write_bounded(part, chunks, limit)
            await asyncio.to_thread(lambda: open_frames(part).close())
            path.touch(exist_ok=False)  # claims the name, since a move replaces what has it
            part.replace(path)
        except FileExistsError as error:
            raise OutputError(f"there is a {path.name} already; give the file another name") from error
        except SourceError as error:
            raise SourceError(f"{path.name} is no video that can be read") from error
        finally:
            part.unlink(missing_ok=True)
        found = self._video(path)
        assert found is not None
        return found

    def _video(self, path: Path) -> LibraryVideo | None:
        try:
            real = path.resolve(strict=True)
            name = path.relative_to(self.root).as_posix()
            if not real.is_relative_to(self.root):
                return None
            known = real.stat()
        except (OSError, ValueError, RuntimeError):
            return None
        key = hashlib.blake2s(name.encode("utf-8", "surrogateescape"), digest_size=9).hexdigest()
        stamp = hashlib.blake2s(f"{known.st_size} {known.st_mtime_ns}".encode(), digest_size=6).hexdigest()
        return LibraryVideo(key, name.encode("utf-8", "replace").decode(), real, stamp)


async def write_bounded(path: Path, chunks: AsyncIterator[bytes], limit: int) -> None:
    """Write what comes to a new file; raises UploadTooLargeError after `limit` bytes."""
    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise UploadTooLargeError(f"the file has more than {limit / 2**20:.0f} MB, which is the limit here")
                await asyncio.to_thread(file.write, chunk)  # a slow disk keeps nobody else waiting
    except OSError as error:
        if isinstance(error, UploadTooLargeError):
            raise
        raise OutputError(f"cannot write the upload: {error}; {remedy(error)}") from error


def safe_name(name: str) -> str:
    """The last part of a name, with nothing in it that a file system or a terminal takes as more than a letter."""
    last = re.split(r"[\\/]", name)[-1].strip()
    kept = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last)[-120:].lstrip(".")
    while len(os.fsencode(kept)) > _LONGEST_NAME:
        kept = kept[1:].lstrip(".")
    return kept or "video"


def _holds_pictures(folder: Path) -> bool:
    """Tell whether a folder is itself a video: pictures, and no video file."""
    names = [item.name for item in os.scandir(folder) if os.path.isfile(item.path)]  # no error of links in a circle
    return any(map(is_picture, names)) and not any(Path(name).suffix.lower() in VIDEOS for name in names)


def _walk(folder: Path, root: Path, depth: int) -> list[Path]:
    """Video files and folders of pictures below a folder."""
    found: list[Path] = []
    with suppress(OSError, RuntimeError):
        for item in sorted(os.scandir(folder), key=lambda item: item.name):
            path = Path(item.path)
            if item.name.startswith(".") or not real_path(path).is_relative_to(root):
                continue
            if item.is_dir(follow_symlinks=False):  # a link to a folder may lead round in a circle
                with suppress(OSError):  # a folder that cannot be read hides none of the others
                    pictures = _holds_pictures(path)
                    found += [path] if pictures else _walk(path, root, depth - 1) if depth > 1 else []
            elif path.suffix.lower() in VIDEOS and os.path.isfile(path):
                found.append(path)
    return found
