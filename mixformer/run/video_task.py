"""One video as a task for the loop: its source, targets and outputs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mixformer.run.outputs import Outputs
from mixformer.run.video_summary import VideoSummary
from mixformer.tracking import MultiTracker
from mixformer.video.cameras import is_camera
from mixformer.video.reader import VideoSource, open_video
from mixformer.video.source_names import is_pipe
from mixformer.video.targets import Target


@dataclass(frozen=True, kw_only=True)
class VideoTask:
    """One video for the loop."""

    source: str | int | Path | VideoSource  # as for `open_video`, or an open video that the caller closes
    targets: Sequence[Target]  # targets to track
    outputs: Outputs  # path of each output format to write
    name: str = ""  # name that distinguishes the videos of one tracker
    start: int = 0  # number of the first frame
    stop: int | None = None  # number after the last frame; None goes to the end
    ids: bool = True  # write the number of each target
    pictures: bool = False  # draw pictures even if none is written
    overwrite: bool = False  # replace existing results
    settings: Mapping[str, Any] | None = None  # values that identify the tracker, to resume; None starts again
    opening: Mapping[str, Any] = field(default_factory=dict)  # more arguments of `open_video`
    begin: Callable[[], None] = lambda: None  # function to call before drafts are renamed
    finish: Callable[[VideoSummary], None] = lambda summary: None  # function to call when everything is written

    def may_stall(self) -> bool:
        """Tell whether opening the source may take long, as for an address, a camera or a pipe."""
        source = "" if isinstance(self.source, VideoSource) else str(self.source)
        return "://" in source or is_camera(source) or source.startswith("pipe:") or is_pipe(source)

    def open(self, over: threading.Event) -> VideoSource:
        """Open the source, which ends when `over` is set. Errors are those of `open_video`."""
        if isinstance(self.source, VideoSource):
            self.source.end_with(over)
            return self.source
        return open_video(self.source, self.start, self.stop, over=over, **self.opening)


def settings_of(tracker: MultiTracker) -> dict[str, Any]:
    """Return plain values that identify a tracker: its settings, and the output of its network for a pattern."""
    config = tracker.engine.config
    sides = (1, 2, config.template_size, config.template_size, 3), (1, config.search_size, config.search_size, 3)
    templates, search = ((np.arange(np.prod(side)) % 251).astype(np.uint8).reshape(side) for side in sides)
    found = tracker.engine.locate(search, tracker.engine.remember(templates))
    rules = tracker.config.to_dict()
    return {"engine": type(tracker.engine).__name__, "rules": rules, "found": np.round(found.boxes, 4).tolist()}
