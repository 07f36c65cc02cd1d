"""Write annotated pictures to a video file with the sound of the source, or to a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from PIL import Image as PillowImage

from mixformer.configs.argument_checks import checked
from mixformer.errors import ConfigError, OutputError
from mixformer.files import write_files
from mixformer.imaging.colors import as_rgb
from mixformer.types import Image
from mixformer.video.drafts import FolderDraft, Mark
from mixformer.video.video_formats import DEFAULT_FPS, require_video
from mixformer.video.video_writer import VideoWriter


class FrameWriter(Protocol):
    """A destination of pictures. Use it in a `with` statement, which finishes the file even after an error.

    The pictures are written beside the result (`out.partial.mp4`, or the folder `frames.partial`), which is renamed at
    the end. If the `with` statement ends by an exception, it is renamed only if the result does not exist yet.

    Example:
        >>> import numpy as np
        >>> from mixformer.video import FrameWriter, open_writer
        >>> def write_black(writer: FrameWriter) -> None:
        ...     writer.write(np.zeros((90, 120, 3), np.uint8))
        >>> with open_writer("pictures") as writer:
        ...     write_black(writer)
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None: ...

    def write(self, image: Image, time: float | None = None) -> None:
        """Add a picture, RGB uint8 (H, W, 3), that is shown from `time` seconds on (None: one frame after the last)."""
        ...

    def mark(self) -> Mark:
        """Return the position in the result, for `open_writer(kept=...)`; for videos only after a whole segment."""
        ...


@checked
def open_writer(
    path: str | Path,
    fps: float | None = None,
    sound_from: str | Path | None = None,
    *,
    overwrite: bool = False,
    kept: Mark | None = None,
) -> FrameWriter:
    """Choose a writer by the name: a name without an ending is a folder of numbered PNG files, others are video files.

    Args:
        path: a file that ends in .mp4, .m4v, .mov, .mkv, .avi, .webm or .gif, or a folder.
        fps: frames per second of a video; None writes 25.
        sound_from: video file whose first audio track is written too, if the format has sound. The times of pictures
            count from its first picture. The video also gets its colors and the shape of its pixels.
        overwrite: replace an existing result.
        kept: continue the draft of an interrupted run from this `FrameWriter.mark` on.

    Raises:
        OutputError: if the result cannot be written, already exists, or has an unknown ending.

    Example:
        >>> import numpy as np
        >>> from mixformer.video import open_video, open_writer
        >>> with open_writer("gray.mp4", fps=25) as writer:
        ...     for level in range(3):
        ...         writer.write(np.full((90, 120, 3), 80 * level, np.uint8))
        >>> with open_video("gray.mp4") as video:
        ...     len(list(video))
        3
    """
    path = Path(path)
    format = require_video(path)
    if format is None:
        return PictureWriter(path, overwrite, kept)
    if fps is not None and fps < 0:
        raise ConfigError(f"fps must be a number of frames in a second, not {fps:g}")
    rate = fps.item() if isinstance(fps, np.generic) else fps
    return VideoWriter(path, format, rate or DEFAULT_FPS, sound_from, overwrite, kept)


class PictureWriter:
    """Numbered PNG files in a folder."""

    def __init__(self, folder: Path, overwrite: bool = False, kept: Mark | None = None) -> None:
        self.folder, self._next = folder, kept["count"] if kept else 0
        self._draft = FolderDraft(folder, overwrite, keep=kept is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        found = sum((self._draft.part / f"{number:08d}.png").is_file() for number in range(self._next))
        whole = error is None and found == self._next
        self._draft.end(whole=whole and found > 0, empty=not self._next)
        if error is None and not whole:
            raise OutputError(f"cannot finish {self.folder}: only {found} of {self._next} pictures are in it")

    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`; the time is not kept."""
        picture = PillowImage.fromarray(as_rgb(image))
        write_files({self._draft.part / f"{self._next:08d}.png": partial(picture.save, format="PNG")}, sync=False)
        self._next += 1

    def mark(self) -> Mark:
        """See `FrameWriter.mark`."""
        return {"count": self._next}
