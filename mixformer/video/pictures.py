"""Read picture files as a video, one frame each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from mixformer.errors import DataError, SourceError, first_few
from mixformer.imaging.images import PICTURES, list_pictures, read_image
from mixformer.video.feed import RawFrame

log = logging.getLogger(__name__)


class Pictures:
    """A list of picture files; see `Decoder`."""

    fps: float | None = None
    live = False
    cut_short = ""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.count: int | None = len(paths)
        self.skipped: list[int] = []
        self.reason = ""
        self.wanted: Callable[[], bool] = lambda: True

    def frames(self, start: int) -> Iterator[RawFrame]:
        """Yield the frames from picture number `start` on, without those that cannot be read."""
        for index in range(start, len(self.paths)):
            try:
                image = read_image(self.paths[index])
            except DataError as error:
                self.skipped.append(index)
                self.reason = self.reason or str(error)
                log.warning("skipped frame %d: %s", index, error)
                continue
            yield RawFrame(index, None, lambda image=image: image, image.nbytes)  # type: ignore[misc]

    def close(self) -> None:
        """Do nothing: no file stays open between pictures."""


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures of a folder. Raises SourceError if there are none; the message names the other files."""
    try:
        found = list_pictures(folder)
        if found:
            return found
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise SourceError(f"the folder {folder} cannot be read: {error}") from error
    here = f"; it holds {', '.join(first_few(names, 3))}" if names else "; it is empty"
    raise SourceError(f"the folder {folder} holds no pictures ({', '.join(sorted(PICTURES))}){here}")
