"""One target from a source to results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from mixformer.configs.runtime import OldKeywords, Runtime, with_old_keywords
from mixformer.configs.tracker import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine
from mixformer.imaging.colors import Color
from mixformer.tracking import Tracker
from mixformer.tracking.step import Resize
from mixformer.types import Image, TrackResult
from mixformer.video.reader import VideoFrame, open_video

if TYPE_CHECKING:
    from mixformer.models import MixFormer


def track(
    source: str | int | Path | Iterable[Image],
    box: Iterable[float],
    *,
    model: str | Path | MixFormer | Engine = DEFAULT_MODEL,
    config: TrackerConfig | None = None,
    preset: str | None = None,
    start: int = 0,
    stop: int | None = None,
    runtime: Runtime = Runtime(),
    color: Color = "rgb",
    on_resize: Resize = "rescale",
    **old: Unpack[OldKeywords],
) -> Iterator[TrackResult]:
    """Follow one target through a source; yields one result per readable frame, as frames come.

    Frame numbers are those of the source: with `start=10` the first result, the given box, has `frame_index` 10.

    Args:
        source: video file, folder of pictures, webcam number, stream address, or any iterable of uint8 frames.
        box: x, y, width, height in pixels of the target in frame `start`, 0-based.
        model: name, folder or checkpoint file of a model, a loaded network, or an engine.
        config: inference rules; by default those stored with the model.
        preset: benchmark whose published settings to use instead.
        start: number of the frame that the box belongs to.
        stop: number after the last frame; None goes to the end.
        runtime: device, engine, precision and threads for a model that is no engine yet.
        color: channel order of an iterable's frames, "rgb" or "bgr"; other sources are always read as RGB.
        on_resize: what to do when the frames change size: "rescale" the box with the frame, or "error".
        **old: the keywords of 0.1.0 for the parts of `runtime`, with a warning.

    Raises:
        SourceError: if the source cannot be read.
        BoxError: if the box cannot be tracked in the first frame.
        CheckpointError: if the model is not there or does not fit.
        FrameError: if a frame of an iterable cannot be used.
    """
    runtime = with_old_keywords(runtime, old)
    if isinstance(source, str | int | Path):
        with open_video(source, start, stop) as video:
            tracker = Tracker(model, config, preset=preset, runtime=runtime, on_resize=on_resize)
            for _, result in follow(tracker, video, box):
                yield result
        return
    tracker = Tracker(model, config, preset=preset, runtime=runtime, color=color, on_resize=on_resize)
    frames = (VideoFrame(index, None, image) for index, image in enumerate(source))
    wanted = (f for f in frames if f.index >= start)
    for frame, result in follow(tracker, wanted, box):
        yield result
        if stop is not None and frame.index + 1 >= stop:
            return


def follow(
    tracker: Tracker, frames: Iterable[VideoFrame], box: Iterable[float]
) -> Iterator[tuple[VideoFrame, TrackResult]]:
    """Start on the first frame, then update with every other; results carry the source's frame number and time."""
    for count, frame in enumerate(frames):
        result = tracker.init(frame.image, box) if count == 0 else tracker.update(frame.image)
        yield frame, replace(result, frame_index=frame.index, time=frame.time)
