"""Run one tracker over one annotated sequence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, cast

import numpy as np

from mixformer.configs.tracking_config import TrackerConfig
from mixformer.data.sequence import VideoSequence, read_frame
from mixformer.engines import Engine
from mixformer.errors import DataError
from mixformer.evaluation.metrics import DEFAULT_CONVENTION, MetricSummary, SequenceResult, compute_metrics
from mixformer.evaluation.result_files import RawResult
from mixformer.types import Box, FloatArray, Image, StatusArray


class TrackerLike(Protocol):
    """Any object that tracks: `mixformer.Tracker`, or another tracker with these two methods.

    Example:
        >>> class StaysInPlace:
        ...     def init(self, frame, box):
        ...         self.box = box
        ...
        ...     def update(self, frame):
        ...         return self.box
        >>> tracker = StaysInPlace()
        >>> tracker.init(None, (10, 20, 40, 30))
        >>> tracker.update(None)
        (10, 20, 40, 30)
    """

    def init(self, frame: Image, box: Box) -> Any:
        """Start to track the target `box` (xywh in pixels, 0-based) of an RGB uint8 (H, W, 3) frame."""

    def update(self, frame: Image) -> Any:
        """Find the target in the next frame; return a `TrackResult`, or only the four numbers x y w h."""


def run_tracker(
    tracker: TrackerLike, sequence: VideoSequence, progress: Callable[[int], None] | None = None
) -> RawResult:
    """Track one sequence once, from the box of its first frame to its end, without restarts.

    Args:
        tracker: `init` starts it again.
        sequence: the tracker sees only the box of the first frame.
        progress: called with the number of frames done, after each frame.

    Returns:
        Boxes; scores (1 for the first frame, NaN where there is none); seconds per frame without reading the picture,
        the first for `init`; the size of the first frame; and statuses if the tracker has them.

    Raises DataError if the first frame has no box, or a picture cannot be read.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from mixformer.data import VideoSequence
        >>> from mixformer.evaluation import run_tracker
        >>> frames = [Path("0.png")] * 2
        >>> Image.new("RGB", (64, 48)).save(frames[0])
        >>> from types import SimpleNamespace
        >>> tracker = SimpleNamespace(init=lambda frame, box: None, update=lambda frame: (9, 9, 9, 9))
        >>> run_tracker(tracker, VideoSequence("still", frames, np.full((2, 4), 9.0))).boxes[1]
        array([9., 9., 9., 9.])
    """
    require_start(sequence)
    count = len(sequence)
    boxes, scores, times = np.empty((count, 4)), np.full(count, np.nan), np.empty(count)
    statuses, size = ["tracking"], (0, 0)
    for index, frame in enumerate(sequence.frames):
        image = read_frame(frame)
        start = time.perf_counter()
        if index == 0:
            tracker.init(image, sequence.box(0))
            result: Any = sequence.box(0)
            scores[0], size = 1.0, (image.shape[0], image.shape[1])
        else:
            result = tracker.update(image)
        times[index] = time.perf_counter() - start
        boxes[index] = getattr(result, "box", result)
        if (score := getattr(result, "score", None)) is not None:
            scores[index] = score
        if index and (status := getattr(result, "status", None)) is not None:
            statuses.append(status)
        if progress:
            progress(index + 1)
    told = np.array(statuses) if len(statuses) == count > 1 else None
    return RawResult(boxes, times, scores, size, told)


def require_start(sequence: VideoSequence) -> None:
    """Raise DataError if the first frame has no box to start a tracker from."""
    if len(sequence.valid) == 0 or sequence.valid[0] != 0:
        raise DataError(f"{sequence.name}: the first frame has no box to start from; add it, or leave the sequence out")


def sequence_result(
    sequence: VideoSequence,
    boxes: FloatArray,
    scores: FloatArray | None = None,
    size: tuple[int, int] | None = None,
    statuses: StatusArray | None = None,
) -> SequenceResult:
    """Put boxes (m, 4), scores and statuses (m,) beside the ground truth; `size` is (height, width), to clip boxes."""
    visible = None if sequence.hidden is None else ~sequence.hidden
    return SequenceResult(sequence.name, boxes, sequence.boxes, visible, scores, size, statuses=statuses)


def track_and_measure(
    tracker: TrackerLike | Engine,
    sequences: Iterable[VideoSequence],
    convention: str = DEFAULT_CONVENTION,
    dataset: str = "",
    *,
    config: TrackerConfig | None = None,
) -> MetricSummary:
    """Track sequences one after the other in this process and measure them; no file is written.

    Training uses this for its validation. `mixformer.evaluate` also keeps the results.

    Args:
        tracker: `init` starts it again for each sequence; or an engine, which tracks with the settings `config`.
        sequences: with ground truth.
        convention: name in `CONVENTIONS`.
        dataset: name of the data set; "pytracking" has special rules for some.
        config: tracker settings of an engine.

    Raises:
        ConfigError: if the convention is unknown.
        DataError: if a sequence has no box in its first frame, or a picture cannot be read.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from mixformer import Tracker
        >>> from mixformer.data import VideoSequence
        >>> from mixformer.evaluation import track_and_measure
        >>> frames = [Path("0.png")] * 2
        >>> Image.new("RGB", (64, 48)).save(frames[0])
        >>> sequence = VideoSequence("still", frames, np.full((2, 4), 9.0))
        >>> track_and_measure(Tracker(), [sequence], "got10k").convention
        'got10k'
    """
    return compute_metrics(convention, track_all(tracker, sequences, config), dataset)


def track_all(
    tracker: TrackerLike | Engine, sequences: Iterable[VideoSequence], config: TrackerConfig | None = None
) -> Iterator[SequenceResult]:
    """Track sequences one after the other, and yield the result of each; see `track_and_measure`."""
    from mixformer.tracking import Tracker

    runner = cast(TrackerLike, tracker if hasattr(tracker, "update") else Tracker(tracker, config))
    for sequence in sequences:
        raw = run_tracker(runner, sequence)
        yield sequence_result(sequence, raw.boxes, raw.scores, raw.size, raw.statuses)
