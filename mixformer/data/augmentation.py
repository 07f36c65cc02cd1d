"""Data augmentation: from the frames of a sample to the parameters of its crops."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from PIL import Image as PillowImage

from mixformer.configs.base_config import BaseConfig
from mixformer.data.crop_params import LONGEST_BLUR, CropParams, SampleParams, shows_frame
from mixformer.data.sampling import AnnotatedFrame, Random, TrainingSample
from mixformer.imaging.crop import CropWindow, to_crop
from mixformer.types import Box

_SMALL_SIDES = 12.0, 40.0  # pixels: sides sqrt(w * h) that `downscale` brings a target to


@dataclass(frozen=True)
class Jitter:
    """Random offsets of the center and size of a crop, as in the official training code."""

    center: float = 0.0  # offsets are uniform in +-center / 2, in units of the jittered sqrt(w * h)
    scale: float = 0.0  # standard deviation of the log of each side
    # Probability of a small offset instead, as of a target between two frames: offsets follow a Laplace distribution,
    # most of them small and a few large. A network trained on these expects the target near the middle, and of two
    # objects that look alike prefers the one there.
    small_motion_prob: float = 0.0
    small_motion_scale: float = 0.15  # mean absolute small offset along each axis, in the same units

    def apply(self, random: Random, box: Box) -> Box:
        """Draw a jittered box."""
        w, h = np.array([box.w, box.h]) * np.exp(random.normal(size=2) * self.scale)
        # Nothing is drawn at probability 0, so that recipes without small motion keep their random streams.
        if self.small_motion_prob and random.random() < self.small_motion_prob:
            offsets = random.laplace(0.0, self.small_motion_scale, 2)
        else:
            offsets = self.center * (random.random(2) - 0.5)
        cx, cy = np.array(box.center) + np.sqrt(w * h) * offsets
        return Box(float(cx - w / 2), float(cy - h / 2), float(w), float(h))


@dataclass(frozen=True)
class Augmentation(BaseConfig):
    """Random changes of the crops of a sample. Probabilities are in 0..1."""

    # Offsets of the search crop, uniform in +- half of this, in units of the jittered sqrt(w * h)
    center_jitter: float = 3.0
    scale_jitter: float = 0.25  # standard deviation of the log of each side of the search crop
    small_motion_prob: float = 0.0  # probability that a search crop has a small offset instead, see `Jitter`
    small_motion_scale: float = 0.15  # mean absolute small offset along each axis
    template_jitter: float = 0.0  # both jitters of the template crops
    gray_prob: float = 0.05  # probability of a gray sample, all frames alike
    flip_prob: float = 0.5  # probability of mirroring all frames of a sample
    crop_flip_prob: float = 0.0  # probability of mirroring a crop, drawn for each crop
    brightness: float = 0.2  # each crop is multiplied by 1 +- this
    contrast: float = 0.2  # each crop's contrast is multiplied by 1 +- this, and its channels by up to half as much
    blur_prob: float = 0.1  # probability of a motion-like blur of the search crop
    # Probability that the frames are shrunk until the target has 12 to 40 pixels (`downscale`). The crop enlarges them
    # again, so that it looks like that of a small target.
    low_res_prob: float = 0.0
    # Coordinates name the centers of pixels, as in the official training code: the center of a crop is at `(size - 1) /
    # 2`, and a frame is mirrored around `(W - 1) / 2`, which moves its box by a pixel. If False, they name the edges of
    # pixels, as in tracking: `size / 2` and `W / 2`.
    pixel_index: bool = False
    keep_border: bool = False  # crops keep the last row and column of the frame, which the official crop loses to black
    # A sample is rejected if a crop shows nothing of its frame, as in the official code; if False, the jitter is drawn
    # again
    reject: bool = False
    nearest: bool = False  # brightness is rounded to the nearest of 256 levels instead of down

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (field.name for field in fields(self) if field.name.endswith("_prob")):
            self._require(0 <= getattr(self, name) <= 1, f"{name} must be in [0, 1]")
        self._require(self.small_motion_scale > 0, "small_motion_scale must be above 0")
        self._bound(0, 10, "scale_jitter", "template_jitter", "small_motion_scale")
        self._bound(0, 100, "center_jitter")
        self._bound(0, 1, "brightness", "contrast")

    @property
    def search(self) -> Jitter:
        """Jitter of the search crop."""
        return Jitter(self.center_jitter, self.scale_jitter, self.small_motion_prob, self.small_motion_scale)

    @property
    def template(self) -> Jitter:
        """Jitter of the template crops."""
        return Jitter(self.template_jitter, self.template_jitter)

    def with_official_processing(self, *, training: bool = True) -> Self:
        """A copy with this jitter, and everything else as in the official code (`lib/train/data/processing.py`).

        Without `training`, brightness and mirroring of single crops are off, as in the official validation.
        """
        light, flip = (0.2, 0.5) if training else (0.0, 0.0)
        plain = {"gray_prob": 0.05, "flip_prob": 0.5, "contrast": 0.0, "blur_prob": 0.0, "low_res_prob": 0.0}
        flags = {"pixel_index": True, "keep_border": False, "reject": True, "nearest": True}
        return self.replace(brightness=light, crop_flip_prob=flip, **plain, **flags)


@dataclass(frozen=True)
class CropSettings:
    """Sizes and reach of the crops of a sample."""

    search_size: int  # side of the search crop in pixels
    template_size: int  # side of the template crops in pixels
    search_factor: float  # side of the search crop in units of the jittered sqrt(w * h)
    template_factor: float = 2.0  # the same for the templates
    templates: int = 2  # template crops in a sample, the static one included


def draw_sample_params(
    random: Random, shot: TrainingSample, augmentation: Augmentation, crops: CropSettings
) -> SampleParams | None:
    """Draw the crops, jitter and light of one sample with its own generator; None if the augmentation rejects it."""
    if augmentation.low_res_prob and random.random() < augmentation.low_res_prob:
        shot = downscale(random, shot)
    gray, mirror = random.random() < augmentation.gray_prob, random.random() < augmentation.flip_prob
    views = [*shot.templates, shot.search]
    if mirror and augmentation.pixel_index:
        views, mirror = [_mirrored(view) for view in views], False
    plans = []
    for number, view in enumerate(views):
        searched = number == len(shot.templates)
        plan = _plan(random, view, augmentation, crops, searched=searched, gray=gray, mirror=mirror)
        if plan is None:
            return None
        plans.append(plan)
    return SampleParams(tuple(plans), shot.present)


def _plan(
    random: Random,
    view: AnnotatedFrame,
    augmentation: Augmentation,
    crops: CropSettings,
    *,
    searched: bool,
    gray: bool,
    mirror: bool,
) -> CropParams | None:
    # 1. Place the window. Random numbers are drawn in this order for every sample, so a seed gives the same crops.
    factor, size = (
        (crops.search_factor, crops.search_size) if searched else (crops.template_factor, crops.template_size)
    )
    jitter = augmentation.search if searched else augmentation.template
    around = _around(random, view, jitter, once=augmentation.reject)
    if augmentation.reject and not (around.w > 0 and around.h > 0):
        return None
    frame = np.pad(view.image, ((0, 1), (0, 1), (0, 0))) if augmentation.keep_border else view.image
    window = CropWindow.around(around, factor)
    if augmentation.reject and not shows_frame(window, frame.shape[0], frame.shape[1], size):
        return None
    # 2. The label is the true box in the jittered window: the offset is what the network learns to undo.
    box = to_crop(view.box, around.center, size / window.side, size, half_pixel=augmentation.pixel_index)
    flip = mirror ^ (random.random() < augmentation.crop_flip_prob)
    if flip:
        box = box._replace(x=1 - box.x - box.w)
    # 3. Pixels change later, in `render` or on the GPU; only the parameters are drawn here.
    blur = None
    if searched and random.random() < augmentation.blur_prob:
        blur = int(random.integers(2, LONGEST_BLUR + 1)), int(random.integers(2))
    contrast = None
    if augmentation.contrast:
        strength = 1 + random.uniform(-1, 1) * augmentation.contrast
        contrast = strength, 1 + random.uniform(-0.5, 0.5, 3).astype(np.float32) * augmentation.contrast
    gain = 1 + random.uniform(-1, 1) * augmentation.brightness
    return CropParams(frame, window, size, box, flip, gray, blur, contrast, gain, augmentation.nearest)


def _around(random: Random, view: AnnotatedFrame, jitter: Jitter, *, once: bool) -> Box:
    """Draw the jittered box. Unless `once`, draw until it touches the frame, or else return the box itself."""
    if once:
        return jitter.apply(random, view.box)
    height, width = view.image.shape[:2]
    for _ in range(10):
        candidate = jitter.apply(random, view.box)
        cx, cy = candidate.center
        if 0 <= cx < width and 0 <= cy < height and candidate.w * candidate.h >= 1:
            return candidate
    return view.box


def _mirrored(view: AnnotatedFrame) -> AnnotatedFrame:
    """Mirror a frame in pixel indices: column x goes to W - 1 - x, and so does each side of the box."""
    box, width = view.box, view.image.shape[1]
    return AnnotatedFrame(view.image[:, ::-1], box._replace(x=width - 1 - box.x - box.w), view.origin)


def downscale(random: Random, shot: TrainingSample) -> TrainingSample:
    """Shrink all frames of a sample alike, to a target of a random size; a small one stays unchanged."""
    least, most = _SMALL_SIDES
    side = math.sqrt(shot.templates[0].box.w * shot.templates[0].box.h)
    if side <= least:
        return shot
    factor = math.exp(random.uniform(math.log(least), math.log(min(side, most)))) / side
    templates = tuple(_shrunk(view, factor) for view in shot.templates)
    return replace(shot, templates=templates, search=_shrunk(shot.search, factor))


def _shrunk(view: AnnotatedFrame, factor: float) -> AnnotatedFrame:
    """Shrink an annotated frame by averaging pixels."""
    rows, columns = view.image.shape[:2]
    width, height = max(1, round(columns * factor)), max(1, round(rows * factor))
    image = np.asarray(PillowImage.fromarray(view.image).resize((width, height), PillowImage.Resampling.BOX))
    sx, sy = width / columns, height / rows
    x, y, w, h = view.box
    return AnnotatedFrame(image, Box(x * sx, y * sy, w * sx, h * sy), view.origin)
