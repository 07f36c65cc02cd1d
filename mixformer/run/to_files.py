"""Track one video to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixformer.configs.argument_checks import checked_functions
from mixformer.errors import ConfigError, shown
from mixformer.imaging.notebook_parts import NotebookBar
from mixformer.run.outputs import Outputs, TrackedFrame, output_paths
from mixformer.run.video_loop import run_videos
from mixformer.run.video_run import VideoRun
from mixformer.run.video_summary import VideoSummary
from mixformer.run.video_task import VideoTask, settings_of
from mixformer.tracking import MultiTracker
from mixformer.video.reader import VideoSource, open_video
from mixformer.video.targets import Target, as_targets


@checked_functions
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

    Results are written to drafts beside them (`boxes.partial.jsonl`), which are renamed when they are complete. After
    an error or Ctrl-C, the drafts are valid so far, and are renamed only if there is no result yet. If the source is a
    file or a folder, the same call then resumes, even after the process was killed. The results are those of a call
    without an interruption. In a notebook, a bar shows the progress.

    Args:
        source: video file, folder of pictures, webcam number or stream address; or a video from `open_video`, whose
            first and last frame are used.
        targets: a box x, y, width, height in pixels in frame `start`, 0-based; a list of boxes and `Target` values; or
            a file of targets (docs/many.md).
        outputs: path by name of the output format: "video" (a video file, or a folder for PNG files), "json", "csv",
            "mot", "masks" (a folder); see `mixformer.video.OUTPUT_FORMATS`.
        tracker: a tracker without targets; None takes the default model. The targets are removed from it at the end.
        start: number of the first frame.
        stop: number after the last frame; None goes to the end.
        ids: write the id of the target with every result. None does so for several targets.
        pipeline: read, track, draw and write different frames at the same time, in threads. The results are the same.
            This is not done for cameras and streams, so that no frame is delayed.
        pictures: draw pictures for `on_frame` even if no video is written.
        overwrite: replace existing results.
        settings: plain values that identify the tracker, such as its model, so that only the same call resumes. None
            takes the tracker's settings and the output of its network for a pattern.
        on_frame: function to call with every frame after its results are written, except frames of an earlier call
            that this one resumes. If it returns False, the video ends there.

    Returns:
        Numbers of the tracked video.

    Raises:
        BoxError: if a target cannot be tracked in its first frame.
        ConfigError: if an output format is unknown, or outputs or tracker are of another type.
        OutputError: if a result cannot be written, or already exists.
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
    outputs = output_paths(outputs)
    if not isinstance(tracker, MultiTracker | None):
        raise ConfigError(f"tracker must be a mixformer.MultiTracker(...), not {shown(tracker)}")
    with ExitStack() as stack:
        video = source if isinstance(source, VideoSource) else stack.enter_context(open_video(source, start, stop))
        wanted = as_targets(targets, video.start)
        if tracker is None:  # an empty tracker is falsy too
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
        bar = NotebookBar(video.frames_to_come or 0)
        stack.callback(bar.close)
        for step in steps:
            bar.show(run.frames, "frames")
            if step.written is not None and on_frame is not None and on_frame(step.written) is False:
                run.end()
                break
    return replace(run.result(), files={kind: str(path) for kind, path in outputs.items()})
