"""All files that are written about one video: pictures, boxes and masks."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from mixformer.errors import ConfigError, OutputError, shown
from mixformer.files.partial_names import own_places
from mixformer.files.places import require_apart, require_name, require_place
from mixformer.files.special_files import is_special
from mixformer.optional import require
from mixformer.run.multi_target import Results
from mixformer.run.resuming import ResumePoint, interrupted
from mixformer.types import Image
from mixformer.video.drafts import FolderDraft, Mark
from mixformer.video.draw import Annotator
from mixformer.video.output_formats import OUTPUT_FORMATS, open_results, require_formats
from mixformer.video.reader import VideoFrame, VideoSource
from mixformer.video.video_formats import require_video
from mixformer.video.writer import FrameWriter, open_writer

if TYPE_CHECKING:
    from mixformer.masks.refiner import Mask

log = logging.getLogger(__name__)
_DRAWN = 30  # frames that what is drawn may depend on: the trail

Outputs = Mapping[str, str | Path]
"""Where results go: name of an output format -> file or folder."""


class TrackedFrame(NamedTuple):
    """One frame of a video with its results.

    Attributes:
        frame: number, time and RGB picture.
        results: a `TrackResult` by the id of each target that is tracked in this frame.
        picture: the frame with the results drawn on it, RGB uint8 (H, W, 3); None if no picture was asked for.

    Example:
        >>> import mixformer
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> def show(tracked):
        ...     print(tracked.frame.index, tracked.picture.shape == tracked.frame.image.shape)
        >>> summary = mixformer.track_video(DEMO_CLIP, DEMO_BOX, {}, stop=2, pictures=True, on_frame=show)
        0 True
        1 True
    """

    frame: VideoFrame
    results: Results
    picture: Image | None


def check_outputs(
    outputs: Outputs, inputs: Iterable[object], *, overwrite: bool = False, going_on: bool = False
) -> dict[str, Path]:
    """Check where results go before anything is written. Nothing is changed.

    Args:
        outputs: paths by name of the output format.
        inputs: files and folders that are read, and other sources.
        overwrite: results may be there already.
        going_on: so may those of a run that was interrupted.

    Returns:
        The same paths.

    Raises:
        ConfigError: if a format is unknown.
        OutputError: if a result would be written over an input or over what is there, two into the same place, one
            where nothing can be written, where another process writes just now, or as a kind of video that is unknown.
        MissingDependencyError: if masks are wanted and OpenCV is missing.

    Example:
        >>> from mixformer.run import check_outputs
        >>> check_outputs({"json": "boxes.jsonl"}, ["clip.mp4"])["json"].name
        'boxes.jsonl'
        >>> check_outputs({"gif": "clip.gif"}, ["clip.mp4"])
        Traceback (most recent call last):
        mixformer.errors.ConfigError: cannot write gif; there are: video, json, csv, mot, masks
    """
    paths = output_paths(outputs)
    if "masks" in outputs:
        require("cv2", "masks by GrabCut")
    places: dict[Path, str] = {}
    sources = list(inputs)
    for path in paths.values():
        require_name(path)
    unfinished = interrupted(paths) if going_on else set()
    for name, path in paths.items():
        if name == "video":
            require_video(path)
        require_apart(path, sources)
        if is_special(path):
            continue
        for place in own_places(path):
            if (other := places.setdefault(place, name)) != name:
                raise OutputError(f"{other} and {name} would both be written to {place}; give one of them another name")
        require_place(path, overwrite or name in unfinished)
    return paths


def output_paths(outputs: Outputs) -> dict[str, Path]:
    """Return the paths of results by format. Raises ConfigError if these are no such names and paths."""
    if not isinstance(outputs, Mapping):
        raise ConfigError(f'outputs are paths by format, such as {{"json": "boxes.jsonl"}}, not {shown(outputs)}')
    require_formats(outputs)
    for name, path in outputs.items():
        if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str) or not os.fspath(path):
            raise ConfigError(f"the result {name} is written to a path, not to {shown(path, 60)}")
    return {name: Path(os.fspath(path)) for name, path in outputs.items()}


class VideoOutput:
    """Writes the results of one video. Use it in a `with` statement; the files are valid whenever that ends.

    `draw` and `write` may be called in threads of their own, each frame first by `draw` and then by `write`.
    """

    def __init__(
        self,
        outputs: Mapping[str, Path],
        video: VideoSource,
        *,
        ids: bool,
        pictures: bool = False,
        overwrite: bool = False,
        point: ResumePoint | None = None,
    ) -> None:
        """Open all files. The sound of `video` goes to the annotated video.

        With `ids`, the number of each target is written and drawn; otherwise there is one target. With `pictures`,
        frames are drawn even if no video is written. A `point` continues the drafts of an interrupted run. Raises
        OutputError if something cannot be written, and MissingDependencyError if masks are wanted and OpenCV is
        missing.
        """
        self._ids, self._annotator = ids, Annotator()
        self._masks: _Masks | None = None
        self._wants_pictures = pictures or "video" in outputs
        self._video: FrameWriter | None = None
        self.recent: deque[Results] = deque(point.recent if point else (), _DRAWN)  # of the last written frames
        if point and self._wants_pictures:
            self._draw_again(point)
        marks = point.marks if point else {}
        with ExitStack() as stack:
            self._texts = {
                name: stack.enter_context(open_results(path, name, ids, overwrite=overwrite, kept=marks.get(name)))
                for name, path in outputs.items()
                if OUTPUT_FORMATS[name].line is not None
            }
            if "masks" in outputs:
                self._masks = stack.enter_context(_Masks(outputs["masks"], ids, overwrite, kept=point is not None))
            if "video" in outputs:
                sound = video.name if Path(video.name).is_file() else None
                if "://" in video.name:
                    log.warning("%s: sound, if it has any, is not written; to keep it, save it to a file", video.name)
                self._video = stack.enter_context(
                    open_writer(outputs["video"], video.fps, sound, overwrite=overwrite, kept=marks.get("video"))
                )
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def draw(self, frame: VideoFrame, results: Results) -> TrackedFrame:
        """Draw the results on a frame. Masks are found and written here too; OutputError if one cannot be."""
        masks = self._masks.write(frame, results) if self._masks else {}
        picture = self._picture(frame.image, results, masks) if self._wants_pictures else None
        return TrackedFrame(frame, results, picture)

    def _picture(self, image: Image, results: Results, masks: dict[int, Mask]) -> Image:
        if self._ids or len(results) != 1:
            return self._annotator.draw_all(image, results, masks)
        ((number, result),) = results.items()
        return self._annotator.draw(image, result, masks.get(number))

    def _draw_again(self, point: ResumePoint) -> None:
        """Let the annotator remember where the targets were."""
        blank = np.zeros((*point.size, 3), np.uint8)
        for results in point.recent:
            self._picture(blank, results, {})

    def marks(self) -> dict[str, Mark]:
        """Return how much of each output is written, for the outputs that can tell."""
        marks = {name: text.mark() for name, text in self._texts.items()}
        return marks | ({"video": self._video.mark()} if self._video is not None else {})

    def write(self, tracked: TrackedFrame) -> TrackedFrame:
        """Write boxes and picture of a frame, and return it. After an OutputError, what was written before is kept."""
        self.recent.append(tracked.results)
        for text in self._texts.values():
            for number, result in tracked.results.items():
                text.write(result, number if self._ids else None)
        if self._video is not None and tracked.picture is not None:
            self._video.write(tracked.picture, tracked.frame.time)
        return tracked


class _Masks:
    """Finds and writes a mask for every result, with ids in one folder for each target."""

    def __init__(self, folder: Path, ids: bool, overwrite: bool, kept: bool = False) -> None:
        from mixformer.masks.grabcut import GrabCutRefiner
        from mixformer.masks.mask_files import MaskWriter

        self._refine, self._ids = GrabCutRefiner(), ids
        self._draft, self._some, self._writer = FolderDraft(folder, overwrite, keep=kept), kept, MaskWriter

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._draft.end(whole=error is None and self._some, empty=not self._some)

    def write(self, frame: VideoFrame, results: Results) -> dict[int, Mask]:
        """Return the masks of the results' boxes by target, after writing them. That of a lost target is empty."""
        nothing = np.zeros(frame.image.shape[:2], np.bool_)
        masks = {
            number: nothing if result.status == "lost" else self._refine(frame.image, result.box)
            for number, result in results.items()
        }
        for number, mask in masks.items():
            folder = self._draft.part / str(number) if self._ids else self._draft.part
            self._writer(folder).write(mask, frame.index)
            self._some = True
        return masks
