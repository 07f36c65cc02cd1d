"""From a shot to the plan of a sample: jittered crops and the light changes that training wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from mixformer.data.crop_params import LONGEST_BLUR, CropParams, SampleParams, shows_frame
from mixformer.data.low_resolution import downscale
from mixformer.data.sampling import AnnotatedFrame, Random, TrainingSample
from mixformer.imaging.crop import CropWindow, to_crop
from mixformer.types import Box


@dataclass(frozen=True)
class Jitter:
    """How far the crop's center and size stray from the target (spec 4.2).

    Attributes:
        center: offsets are uniform in +-center / 2, in units of the jittered sqrt(w * h).
        scale: standard deviation of the log of each side.
        motion: part of the crops whose center strays only as far as a target moves from one frame to the next: offsets
            follow a Laplace distribution, most of them small and a few large. A network that learns from these expects
            the target near the middle and, of two that look alike, prefers the one there.
        motion_spread: mean absolute offset of these along each axis, in the same units.
    """

    center: float = 0.0
    scale: float = 0.0
    motion: float = 0.0
    motion_spread: float = 0.15

    def apply(self, random: Random, box: Box) -> Box:
        """The jittered box."""
        w, h = np.array([box.w, box.h]) * np.exp(random.normal(size=2) * self.scale)
        # Nothing is drawn for odds of zero, so that the streams of recipes without this stay the same.
        if self.motion and random.random() < self.motion:
            offsets = random.laplace(0.0, self.motion_spread, 2)
        else:
            offsets = self.center * (random.random(2) - 0.5)
        cx, cy = np.array(box.center) + np.sqrt(w * h) * offsets
        return Box(float(cx - w / 2), float(cy - h / 2), float(w), float(h))


@dataclass(frozen=True)
class Augmentation:
    """Settings of the crops; the defaults are the official ones but for the milder search jitter.

    Attributes:
        search: jitter of the search crop.
        template: jitter of the template crops.
        gray: odds of a gray shot, all frames alike.
        flip: odds of mirroring all frames of a shot.
        flip_each: odds of mirroring each crop by itself.
        brightness: each crop is multiplied by 1 +- this.
        contrast: each crop's contrast is multiplied by 1 +- this, and its channels by up to half as much.
        blur: odds of a motion-like blur of the search crop.
        coarse: odds of a shot whose frames are shrunk till the target is as small as targets far away
            (`mixformer.data.low_resolution`); the crop makes it larger again, and blurred.
        pixel_index: coordinates name the middles of pixels, as in the official training code: the crop's middle is at
            `(size - 1) / 2`, and a frame is mirrored around `(W - 1) / 2`, which moves its box by a pixel. Off, they
            name the edges of pixels as in tracking: `size / 2` and `W / 2`.
        keep_border: crops keep the frame's last row and column, which official crops that reach them lose to black.
        reject: a shot is given up if a crop shows nothing of its frame, as officially; off, the jitter is drawn again.
        nearest: brightness is rounded to the nearest of 256 levels and not down.
    """

    search: Jitter = Jitter(4.5, 0.5)
    template: Jitter = Jitter()
    gray: float = 0.05
    flip: float = 0.5
    flip_each: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.0
    blur: float = 0.0
    coarse: float = 0.0
    pixel_index: bool = False
    keep_border: bool = False
    reject: bool = False
    nearest: bool = False

    @classmethod
    def official(cls, *, training: bool = True) -> Self:
        """The official processing (spec 4.2); in validation without brightness and independent mirroring."""
        light, flip_each = (0.2, 0.5) if training else (0.0, 0.0)
        return cls(brightness=light, flip_each=flip_each, pixel_index=True, reject=True, nearest=True)


@dataclass(frozen=True)
class CropSettings:
    """Sizes and reach of the crops of a sample.

    Attributes:
        search_size: side of the search crop in pixels.
        template_size: side of the template crops in pixels.
        search_factor: side of the search crop in units of the jittered sqrt(w * h).
        template_factor: the same for the templates.
        templates: template crops in a sample, the static one included.
    """

    search_size: int
    template_size: int
    search_factor: float
    template_factor: float = 2.0
    templates: int = 2


def draw_sample_params(
    random: Random, shot: TrainingSample, augmentation: Augmentation, crops: CropSettings
) -> SampleParams | None:
    """Cut, jitter and light one shot; None if the augmentation rejects it.

    Args:
        random: the sample's own generator.
        shot: frames and boxes.
        augmentation: what to vary.
        crops: sizes and reach.
    """
    if augmentation.coarse and random.random() < augmentation.coarse:
        shot = downscale(random, shot)
    gray, mirror = random.random() < augmentation.gray, random.random() < augmentation.flip
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
    box = to_crop(view.box, around.center, size / window.side, size, half_pixel=augmentation.pixel_index)
    flip = mirror ^ (random.random() < augmentation.flip_each)
    if flip:
        box = box._replace(x=1 - box.x - box.w)
    blur = None
    if searched and random.random() < augmentation.blur:
        blur = int(random.integers(2, LONGEST_BLUR + 1)), int(random.integers(2))
    contrast = None
    if augmentation.contrast:
        strength = 1 + random.uniform(-1, 1) * augmentation.contrast
        contrast = strength, 1 + random.uniform(-0.5, 0.5, 3).astype(np.float32) * augmentation.contrast
    gain = 1 + random.uniform(-1, 1) * augmentation.brightness
    return CropParams(frame, window, size, box, flip, gray, blur, contrast, gain, augmentation.nearest)


def _around(random: Random, view: AnnotatedFrame, jitter: Jitter, *, once: bool) -> Box:
    """The jittered box; unless `once`, one that still touches the frame, or the box itself."""
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
    """The whole view mirrored in pixel indices: column x goes to W - 1 - x, and so does each side of the box."""
    box, width = view.box, view.image.shape[1]
    return AnnotatedFrame(view.image[:, ::-1], box._replace(x=width - 1 - box.x - box.w), view.origin)
