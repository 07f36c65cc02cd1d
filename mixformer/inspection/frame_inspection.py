"""Inspect one frame of a video: track up to it, then record the network's input, attention and prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from mixformer.configs.argument_checks import checked
from mixformer.configs.runtime import OldKeywords, Runtime, with_old_keywords
from mixformer.configs.tracking_config import TrackerConfig
from mixformer.configs.variants import DEFAULT_MODEL
from mixformer.engines import Engine
from mixformer.engines.torch_engine import TorchEngine
from mixformer.errors import CheckpointError, ConfigError, FrameError, SourceError
from mixformer.imaging.boxes import cxcywh_to_xyxy
from mixformer.imaging.colors import as_rgb
from mixformer.imaging.crop import crop_target
from mixformer.inspection.network_maps import Inspection, Stages, inspect_attention
from mixformer.tracking import Tracker
from mixformer.types import Image
from mixformer.video.reader import VideoFrame, open_video

if TYPE_CHECKING:
    from mixformer.models import MixFormer


@dataclass(frozen=True)
class FrameInspection:
    """The input of the network for one frame, its attention, and its prediction.

    Attributes:
        search: the search crop, uint8 RGB (s, s, 3).
        templates: the templates, uint8 RGB (1 + n, t, t, 3), the static one first.
        template_factor: side of a template crop in units of the square root of the target's area.
        result: attention weights, distributions and prediction.

    Example:
        >>> from mixformer.inspection import inspect_frame
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> sorted(seen.arrays())[-4:]
        ['edges', 'score', 'search', 'templates']
    """

    search: Image
    templates: Image
    template_factor: float
    result: Inspection

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the predicted box as fractions of the search crop."""
        x1, y1, x2, y2 = (float(v) for v in cxcywh_to_xyxy(np.array(self.result.box)))
        return x1, y1, x2, y2

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, as in `inspection.npz`.

        They are `search`, `templates`, `box` (cx, cy, w, h as fractions of the search crop), `score` (logit), `edges`
        and `corners` (see `Distributions`), and an array such as `S0-B0/search_to_template` for each block and pair
        (see `BlockAttention`). Arrays that the model does not have are left out.
        """
        found = {
            "search": self.search,
            "templates": self.templates,
            "box": np.array(self.result.box, np.float32),
            "score": None if self.result.score is None else np.float32(self.result.score),
            "edges": self.result.distributions.edges,
            "corners": self.result.distributions.corners,
        }
        weights = {f"{b.name}/{pair}": map_ for b in self.result.blocks for pair, map_ in b.maps.items()}
        return {name: np.asarray(value) for name, value in found.items() if value is not None} | weights


@checked
def inspect_frame(
    source: str | int | Path,
    box: Iterable[float],
    frame: int,
    *,
    model: str | Path | MixFormer | Engine = DEFAULT_MODEL,
    config: TrackerConfig | None = None,
    preset: str | None = None,
    start: int = 0,
    stages: Stages = "auto",
    runtime: Runtime = Runtime(),
    on_frame: Callable[[], object] | None = None,
    **old: Unpack[OldKeywords],
) -> FrameInspection:
    """Track a target up to a frame of a video, then inspect that frame.

    Args:
        source: video file, folder of pictures, webcam number or stream address.
        box: x, y, width, height in pixels of the target in frame `start`.
        frame: number of the frame to inspect, after `start`.
        model: name, folder or checkpoint file of a model, a loaded network, or a PyTorch engine.
        config: tracker settings; by default those stored with the model.
        preset: benchmark whose published settings to use instead.
        start: number of the frame that the box belongs to.
        stages: see `inspect_attention`.
        runtime: device and threads; the engine is always "torch", and the precision float32.
        on_frame: function to call after every tracked frame.
        **old: the keyword `device` of 0.1.0, with a warning.

    Raises:
        SourceError: if the source cannot be read, or has no such frame.
        ConfigError: if `frame` is not after `start`, or the engine is not PyTorch.
        BoxError: if the box cannot be tracked in frame `start`.
        CheckpointError: if the model is missing, does not fit, or predicts NaN or infinity.

    Example:
        >>> from mixformer.inspection import inspect_frame
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> seen.search.shape[2], seen.templates.shape[0]
        (3, 2)
    """
    if frame <= start:
        raise ConfigError(f"frame {frame} is not after frame {start}, where the box is given; choose a later one")
    with open_video(source, start, frame + 1) as video:
        exact = with_old_keywords(runtime, old).replace(engine="torch", precision="float32")
        tracker = Tracker(model, config, preset=preset, runtime=exact, on_resize="rescale")
        require_torch(tracker.engine)
        image = _track_to(tracker, video, box, frame, on_frame)
    if image is None:
        raise SourceError(f"frame {frame} of {source} does not exist or cannot be read; choose another")
    return inspect_tracker(tracker, image, stages)


@checked
def inspect_tracker(tracker: Tracker, frame: Image, stages: Stages = "auto") -> FrameInspection:
    """Inspect the input of `tracker.update(frame)` without changing the tracker.

    Weights and distributions are computed in float32, even if the tracker's engine has another precision.

    Args:
        tracker: a tracker after `init`.
        frame: the next frame, as for `update`.
        stages: see `inspect_attention`.

    Raises:
        StateError: before `init`.
        FrameError: if the frame cannot be used, or has another size than the one before.
        ConfigError: if the tracker's engine is not PyTorch.
        CheckpointError: if the prediction is NaN or infinity.

    Example:
        >>> from mixformer import Runtime, Tracker, open_video
        >>> from mixformer.inspection import inspect_tracker
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> tracker = Tracker("mixformerv2_dino_s8", runtime=Runtime("cpu", "torch"))
        >>> with open_video(DEMO_CLIP, stop=2) as video:
        ...     first, second = (frame.image for frame in video)
        >>> _ = tracker.init(first, DEMO_BOX)
        >>> len(inspect_tracker(tracker, second).result.blocks)
        8
    """
    engine, state, image = require_torch(tracker.engine), tracker.state, as_rgb(frame, tracker.color)
    if image.shape[:2] != state.frame_size:
        raise FrameError("the frames change size here; inspect the frame after this one")
    region, _ = crop_target(image, state.window, tracker.config.search_factor, engine.config.search_size)
    templates, search = (
        engine.model.normalize(torch.from_numpy(np.ascontiguousarray(pixels)).to(engine.device))[None]
        for pixels in (state.templates, region)
    )
    result = inspect_attention(engine.model, templates, search, stages)
    if not np.isfinite(result.box).all():
        raise CheckpointError("the predicted box is not finite: the weights are damaged; convert or train them again")
    return FrameInspection(region, state.templates, tracker.config.template_factor, result)


def require_torch(engine: Engine) -> TorchEngine:
    """Return the engine if it can be inspected. Raises ConfigError if it is not PyTorch."""
    if not isinstance(engine, TorchEngine):
        raise ConfigError(
            f"inspection needs the layers of the network, which {type(engine).__name__} does not have; give the model "
            "by name, folder or file, so that it runs in PyTorch"
        )
    return engine


def _track_to(
    tracker: Tracker,
    frames: Iterable[VideoFrame],
    box: Iterable[float],
    wanted: int,
    on_frame: Callable[[], object] | None,
) -> Image | None:
    """Track all frames before the wanted one, and return that frame, or None if the video has no such frame."""
    for count, frame in enumerate(frames):
        if frame.index == wanted and count > 0:
            return frame.image
        if count == 0:
            tracker.init(frame.image, box)
        else:
            tracker.update(frame.image)
        if on_frame is not None:
            on_frame()
    return None
