"""Track one video, and yield the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mixformer.configs.runtime import Runtime, with_old_keywords
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine
from mixformer.errors import BoxError, SourceError, shown
from mixformer.imaging.boxes import parse_box
from mixformer.imaging.colors import Color
from mixformer.run.multi_target import track_targets
from mixformer.tracking import MultiTracker, Tracker
from mixformer.tracking.step import Resize
from mixformer.types import Image, TrackResult
from mixformer.video.reader import VideoFrame, open_video
from mixformer.video.source_names import frame_range, require_source, source_text
from mixformer.video.targets import Target, as_targets
from mixformer.weights.catalog import find_weights

if TYPE_CHECKING:
    from mixformer.models import MixFormer

R = TypeVar("R")
Source = str | int | Path | Iterable[Image]
Targets = str | Path | Iterable[Target | Iterable[float]]


@overload
def track(source: Source, box: Iterable[float], **options: Any) -> Iterator[TrackResult]: ...


@overload
def track(source: Source, *, targets: Targets, **options: Any) -> Iterator[dict[int, TrackResult]]: ...


def track(
    source: Source,
    box: Iterable[float] | None = None,
    *,
    targets: Targets | None = None,
    model: str | Path | MixFormer | Engine = DEFAULT_MODEL,
    config: TrackerConfig | None = None,
    preset: str | None = None,
    runtime: Runtime = Runtime(),
    color: Color = "rgb",
    on_resize: Resize = "rescale",
    start: int = 0,
    stop: int | None = None,
    **old: Any,
) -> Iterator[TrackResult] | Iterator[dict[int, TrackResult]]:
    """Track one target or several through a video, and yield the results of each frame.

    Frame numbers are those of the source: with `start=10` the first result, the given box, has `frame` 10.

    Args:
        source: video file, folder of pictures, webcam number, stream address, or any iterable of uint8 frames.
        box: x, y, width, height of one target in pixels in frame `start`, 0-based.
        targets: several targets, in place of `box`: boxes in frame `start`, which get the ids 1, 2, 3, ...; or `Target`
            values, which have an id and may start and stop in any frame; or a file of targets (docs/many.md).
        model: name, folder or checkpoint file of a model, a loaded network, or an engine.
        config: tracker settings; by default those stored with the model.
        preset: benchmark whose published settings to use instead.
        runtime: device, engine, precision and threads; not used if `model` is an engine.
        color: channel order of an iterable's frames, "rgb" or "bgr"; other sources are always read as RGB.
        on_resize: what to do when the frames change size: "rescale" the box with the frame, or "error".
        start: number of the first frame.
        stop: number after the last frame; None goes to the end.
        **old: the keywords of 0.1.0 for the parts of `runtime`, with a warning.

    Returns:
        One `TrackResult` per readable frame for `box`. One dictionary per readable frame for `targets`: a `TrackResult`
        by the id of each target that is tracked in this frame.

    Raises:
        BoxError: if there is no target, or a target cannot be tracked in its first frame.
        SourceError: if the source cannot be read.
        CheckpointError: if the model is missing or does not fit.
        ConfigError: if another argument is wrong.
        FrameError: if a frame of an iterable cannot be used.

    Example:
        >>> import mixformer
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> for result in mixformer.track(DEMO_CLIP, DEMO_BOX, stop=3):
        ...     print(result.frame, result.score > 0.5)
        0 True
        1 True
        2 True
        >>> for results in mixformer.track(DEMO_CLIP, targets=[DEMO_BOX, (60, 40, 40, 120)], stop=2):
        ...     print(sorted(results))
        [1, 2]
        [1, 2]
    """
    runtime = with_old_keywords(runtime, old)
    if (box is None) == (targets is None):
        raise BoxError("give one target as box=(x, y, w, h), or several as targets=[...]")
    color = "rgb" if isinstance(source, str | int | Path) else color
    options: dict[str, Any] = {"preset": preset, "runtime": runtime, "color": color, "on_resize": on_resize}
    frames = _open(source, start, stop)
    if isinstance(model, str | Path):
        find_weights(model)  # raises an error now instead of at the first result
    if box is not None:
        box = parse_box(box)
        return _results(frames, lambda video: run_tracker(Tracker(model, config, **options), video, box))
    several = as_targets(targets or (), start)
    return _results(frames, lambda video: track_targets(MultiTracker(model, config, **options), video, several))


def _open(source: Source, start: int, stop: int | None) -> Callable[[], AbstractContextManager[Iterable[VideoFrame]]]:
    """Return a function that opens the source, so that it is opened only when the first result is needed."""
    start, stop = frame_range(start, stop)
    if isinstance(source, str | int | Path):
        require_source(source_text(source))
        return lambda: open_video(source, start, stop)
    numbered = (VideoFrame(index, None, image) for index, image in enumerate(_rows(source)))
    return lambda: nullcontext(islice(numbered, start, stop))


def _rows(source: Iterable[Image]) -> Iterator[Image]:
    """Return an iterator over frames. Raises SourceError if the source is no iterable."""
    try:
        if not isinstance(source, bytes | bytearray | memoryview):
            return iter(source)
    except TypeError:
        pass
    raise SourceError(f"a source must be a path, a camera or an iterable of frames, not {shown(source, 60)}")


def _results(
    frames: Callable[[], AbstractContextManager[Iterable[VideoFrame]]],
    follow: Callable[[Iterable[VideoFrame]], Iterator[tuple[VideoFrame, R]]],
) -> Iterator[R]:
    with frames() as video:
        for _, result in follow(video):
            yield result


def run_tracker(
    tracker: Tracker, frames: Iterable[VideoFrame], box: Iterable[float]
) -> Iterator[tuple[VideoFrame, TrackResult]]:
    """Track one target through the frames of a video with your own tracker.

    Args:
        tracker: tracker to initialize on the first frame and update with every other.
        frames: frames of a video, such as those of `open_video`.
        box: x, y, width, height in pixels in the first frame, 0-based.

    Returns:
        An iterator of frames and results. Results have the source's frame number and time.

    Raises:
        BoxError: if the box cannot be tracked in the first frame.

    Example:
        >>> from mixformer import Tracker, open_video
        >>> from mixformer.run import run_tracker
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> with open_video(DEMO_CLIP, start=2, stop=4) as video:
        ...     for frame, result in run_tracker(Tracker(), video, DEMO_BOX):
        ...         print(frame.index, result.is_initial)
        2 True
        3 False
    """
    for count, frame in enumerate(frames):
        result = tracker.init(frame.image, box) if count == 0 else tracker.update(frame.image)
        yield frame, replace(result, frame=frame.index, time=frame.time)
