"""All that is written about one video: pictures, text and masks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from mixformer.run.multi_target import Results
from mixformer.types import Image
from mixformer.video.box_files import Form, open_results
from mixformer.video.draw import Annotator
from mixformer.video.reader import VideoFrame, VideoSource
from mixformer.video.writer import FrameWriter, open_writer

if TYPE_CHECKING:
    from mixformer.masks.mask_files import MaskWriter
    from mixformer.masks.refiner import Mask


@dataclass(frozen=True)
class Paths:
    """Where results go; None leaves one out.

    Attributes:
        video: annotated video, or a folder of pictures.
        json: boxes as JSON lines.
        csv: boxes as CSV.
        mot: boxes as MOTChallenge text.
        masks: folder of masks; of several targets, one folder each in it.
    """

    video: Path | None = None
    json: Path | None = None
    csv: Path | None = None
    mot: Path | None = None
    masks: Path | None = None

    def given(self) -> list[Path]:
        """Those there are."""
        return [path for path in (self.video, self.json, self.csv, self.mot, self.masks) if path]


class Drawn(NamedTuple):
    """A frame, its results, and the picture of both if one is wanted."""

    frame: VideoFrame
    results: Results
    picture: Image | None


class VideoOutput:
    """Writes the results of one video. Use it in a `with` statement; what is written is valid whenever that ends.

    `draw` and `write` may be called in threads of their own, each frame first by the one and then by the other.
    """

    def __init__(self, paths: Paths, video: VideoSource, *, ids: bool, show: bool = False) -> None:
        """Open everything.

        Args:
            paths: what to write.
            video: where the frames come from; its sound goes to the annotated video.
            ids: the targets' numbers are part of the results; without, there is one target.
            show: pictures are wanted even if none is written.

        Raises:
            OutputError: if something cannot be written.
            MissingDependencyError: if masks are wanted and OpenCV is missing.
        """
        self._ids, self._annotator = ids, Annotator()
        self._masks = _Masks(paths.masks, ids) if paths.masks else None
        self._wants_pictures = show or paths.video is not None
        forms: dict[Form, Path | None] = {"json": paths.json, "csv": paths.csv, "mot": paths.mot}
        self._video: FrameWriter | None = None
        with ExitStack() as stack:
            self._texts = [stack.enter_context(open_results(path, form, ids)) for form, path in forms.items() if path]
            if paths.video:
                sound = video.name if Path(video.name).is_file() else None
                self._video = stack.enter_context(open_writer(paths.video, video.fps, sound))
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def draw(self, tracked: tuple[VideoFrame, Results]) -> Drawn:
        """The picture of a frame; masks are found and written here too.

        Raises:
            OutputError: if a mask cannot be written.
        """
        frame, results = tracked
        masks = self._masks.write(frame, results) if self._masks else {}
        if not self._wants_pictures:
            return Drawn(frame, results, None)
        if self._ids:
            return Drawn(frame, results, self._annotator.draw_all(frame.image, results, masks))
        ((number, result),) = results.items()
        return Drawn(frame, results, self._annotator.draw(frame.image, result, masks.get(number)))

    def write(self, drawn: Drawn) -> Drawn:
        """Write boxes and picture of a frame, and hand them on.

        Raises:
            OutputError: if something cannot be written; what was before is kept.
        """
        for text in self._texts:
            for number, result in drawn.results.items():
                text.write(result, number if self._ids else None)
        if self._video is not None and drawn.picture is not None:
            self._video.write(drawn.picture, drawn.frame.time)
        return drawn


class _Masks:
    """A mask for every result, found and written; a lone target is number 1."""

    def __init__(self, folder: Path, ids: bool) -> None:
        from mixformer.masks.grabcut import GrabCutRefiner
        from mixformer.masks.mask_files import MaskWriter

        self._refine, self._folder, self._ids = GrabCutRefiner(), folder, ids
        self._new_writer = MaskWriter
        self._writers: dict[int, MaskWriter] = {} if ids else {1: MaskWriter(folder)}

    def write(self, frame: VideoFrame, results: Results) -> dict[int, Mask]:
        """The masks of the results' boxes by target, after writing them."""
        masks = {number: self._refine(frame.image, result.box) for number, result in results.items()}
        for number, mask in masks.items():
            if number not in self._writers:
                self._writers[number] = self._new_writer(self._folder / str(number))
            self._writers[number].write(mask, frame.index)
        return masks
