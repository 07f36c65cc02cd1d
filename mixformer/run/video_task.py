"""One video as a task for the loop: what is read, tracked and written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixformer.run.outputs import Outputs
from mixformer.video.cameras import is_camera
from mixformer.video.reader import VideoSource, open_video
from mixformer.video.targets import Target

if TYPE_CHECKING:
    from mixformer.run.video_run import VideoSummary


@dataclass(frozen=True, kw_only=True)
class VideoTask:
    """One video for the loop."""

    source: str | int | Path | VideoSource  # as for `open_video`, or a video that is open and that the caller closes
    targets: Sequence[Target]  # targets to track
    outputs: Outputs  # path of each output format to write
    name: str = ""  # distinguishes the videos of one tracker
    start: int = 0  # number of the first frame
    stop: int | None = None  # number after the last frame; None goes to the end
    ids: bool = True  # write the number of each target
    pictures: bool = False  # draw pictures even if none is written
    overwrite: bool = False  # replace results that are there already
    settings: Mapping[str, Any] | None = None  # of the tracker, to go on after an interruption; None begins anew
    opening: Mapping[str, Any] = field(default_factory=dict)  # more arguments of `open_video`
    begin: Callable[[], None] = lambda: None  # is called before results are put in their places
    finish: Callable[[VideoSummary], None] = lambda summary: None  # is called when everything is written

    def may_stall(self) -> bool:
        """Tell whether opening it may take long: an address or a camera."""
        source = "" if isinstance(self.source, VideoSource) else str(self.source)
        return "://" in source or is_camera(source)

    def open(self, over: threading.Event) -> VideoSource:
        """Open the source, which ends when `over` is set; errors as of `open_video`."""
        if isinstance(self.source, VideoSource):
            self.source.end_with(over)
            return self.source
        return open_video(self.source, self.start, self.stop, over=over, **self.opening)
