"""One video, tracked to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from mixformer.run.outputs import Outputs, TrackedFrame
from mixformer.run.video_loop import run_videos
from mixformer.run.video_run import VideoRun, VideoSummary
from mixformer.run.video_task import VideoTask, settings_of
from mixformer.tracking import MultiTracker
from mixformer.video.reader import VideoSource, open_video
from mixformer.video.targets import Target, as_targets


def track_video(
    source: str | int | Path | VideoSource,
    targets: str | Path | Iterable[Target | Iterable[float] | float],
    outputs: Outputs,
    *,
    tracker: MultiTracker | None = None,
    start: int = 0,
    stop: int | None = None,
    ids: bool | None = None,
    pipeline: bool = True,
    pictures: bool = False,
    overwrite: bool = False,
    settings: Mapping[str, Any] | None = None,
    on_frame: Callable[[TrackedFrame], bool | None] | None = None,
) -> VideoSummary:
    """Track one target or several through a video and write the results to files, as `mixformer track` does.

    Results are written beside their places (`boxes.partial.jsonl`) and put there when they are whole. After an error or
    Ctrl-C they are valid up to there, and put there only if nothing is there yet. After that, or if the process was
    killed, the same call goes on where it was, if the source is a file or a folder; the results are those of a call
    that nobody interrupted.

    Args:
        source: video file, folder of pictures, webcam number or stream address; or a video from `open_video`, whose own
            first and last frame count.
        targets: a box x, y, width, height in pixels in frame `start`, 0-based; a list of boxes and `Target` values; or
            a file of targets (docs/many.md).
        outputs: path by name of the output format: "video" (a video file, or a folder for PNG files), "json", "csv",
            "mot", "masks" (a folder); see `mixformer.video.OUTPUT_FORMATS`.
        tracker: a tracker without targets; None takes the default model. The targets are removed from it at the end.
        start: number of the first frame.
        stop: number after the last frame; None goes to the end.
        ids: write the id of the target with every result. None does so for several targets.
        pipeline: read, track, draw and write different frames at the same time, in threads. The results are the same.
            Cameras and streams never do, so that no frame is late.
        pictures: draw pictures for `on_frame` even if no video is written.
        overwrite: replace results that are there already.
        settings: plain values that tell the tracker from others, such as its model, so that only the same call goes on;
            None looks at what its network finds in a pattern.
        on_frame: is called with every frame after its results are written, but not for those of an
            earlier call that this one continues; returning False ends the video there.

    Returns:
        What was tracked.

    Raises:
        BoxError: if a target cannot be tracked in its first frame.
        ConfigError: if an output format is unknown.
        OutputError: if a result cannot be written, or is there already.
        SourceError: if the source cannot be read.

    Example:
        >>> import mixformer
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> outputs = {"json": "boxes.jsonl", "video": "annotated.mp4"}
        >>> summary = mixformer.track_video(DEMO_CLIP, DEMO_BOX, outputs, stop=5)
        >>> summary.frames, summary.mean_score > 0.5
        (5, True)
        >>> len(open("boxes.jsonl").readlines())
        5
    """
    with ExitStack() as stack:
        video = source if isinstance(source, VideoSource) else stack.enter_context(open_video(source, start, stop))
        wanted = as_targets(targets, video.start)
        if tracker is None:  # not falsy: a tracker without targets has the length 0
            tracker = MultiTracker(on_resize="rescale")
        if settings is None and outputs and not video.live:
            settings = settings_of(tracker)
        task = VideoTask(
            source=video,
            targets=wanted,
            outputs=outputs,
            ids=len(wanted) > 1 if ids is None else ids,
            pictures=pictures,
            overwrite=overwrite,
            settings=settings,
        )
        steps = stack.enter_context(closing(run_videos(tracker, iter([task]), 1, pipeline and not video.live)))
        run: VideoRun = next(steps).run
        for step in steps:
            if step.written is not None and on_frame is not None and on_frame(step.written) is False:
                run.end()
                break
    if run.error is not None:
        raise run.error
    return run.summary()
