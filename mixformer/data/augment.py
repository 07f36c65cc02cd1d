"""From a shot to network inputs: jittered crops and the light changes that training wants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixformer.crop import crop, to_crop
from mixformer.data.sampling import Random, Shot, View
from mixformer.types import Box, FloatArray, Image


@dataclass(frozen=True)
class Jitter:
    """How far the crop's centre and size stray from the target (spec 4.2).

    Attributes:
        center: offsets are uniform in +-center / 2, in units of the jittered sqrt(w * h).
        scale: standard deviation of the log of each side.
    """

    center: float = 0.0
    scale: float = 0.0

    def apply(self, random: Random, box: Box) -> Box:
        """The jittered box."""
        w, h = np.array([box.w, box.h]) * np.exp(random.normal(size=2) * self.scale)
        cx, cy = np.array(box.center) + np.sqrt(w * h) * self.center * (random.random(2) - 0.5)
        return Box(float(cx - w / 2), float(cy - h / 2), float(w), float(h))


@dataclass(frozen=True)
class Augmentation:
    """Settings of the crops; the defaults are the official ones but for the milder search jitter.

    Attributes:
        search: jitter of the search crop.
        template: jitter of the template crops.
        grey: odds of a grey shot, all frames alike.
        flip: odds of mirroring all frames of a shot.
        flip_each: odds of mirroring each crop by itself.
        brightness: each crop is multiplied by 1 +- this.
        contrast: each crop's contrast is multiplied by 1 +- this, and its channels by up to half as much.
        blur: odds of a motion-like blur of the search crop.
    """

    search: Jitter = Jitter(4.5, 0.5)
    template: Jitter = Jitter()
    grey: float = 0.05
    flip: float = 0.5
    flip_each: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.0
    blur: float = 0.0


@dataclass(frozen=True)
class Sample:
    """One training sample.

    Attributes:
        templates: uint8 (N, t, t, 3).
        search: uint8 (s, s, 3).
        box: (4,) float64 xyxy as fractions of the search crop, not clipped.
        present: 1.0 if the target is in the search crop, else 0.0.
    """

    templates: Image
    search: Image
    box: FloatArray
    present: float


def make_sample(
    random: Random,
    shot: Shot,
    augmentation: Augmentation,
    *,
    search_size: int,
    template_size: int,
    search_factor: float,
    template_factor: float,
) -> Sample:
    """Cut, jitter and light one shot.

    Args:
        random: the sample's own generator.
        shot: frames and boxes.
        augmentation: what to vary.
        search_size: side of the search crop in pixels.
        template_size: side of the template crops in pixels.
        search_factor: side of the search crop in units of the jittered sqrt(w * h).
        template_factor: the same for the templates.
    """
    grey, mirror = random.random() < augmentation.grey, random.random() < augmentation.flip
    templates = []
    for view in shot.templates:
        image, _ = _cut(random, view, augmentation.template, template_factor, template_size)
        flip = mirror ^ (random.random() < augmentation.flip_each)
        templates.append(_light(random, image[:, ::-1] if flip else image, augmentation, grey))
    image, box = _cut(random, shot.search, augmentation.search, search_factor, search_size)
    x, y, w, h = box
    if mirror ^ (random.random() < augmentation.flip_each):
        image, x = image[:, ::-1], 1 - x - w
    if random.random() < augmentation.blur:
        image = _blur(random, image)
    search = _light(random, image, augmentation, grey)
    return Sample(np.stack(templates), search, np.array([x, y, x + w, y + h]), float(shot.present))


def _cut(random: Random, view: View, jitter: Jitter, factor: float, size: int) -> tuple[Image, Box]:
    """The crop around a jittered box that still touches the frame, and the target's box in it."""
    height, width = view.image.shape[:2]
    around = view.box
    for _ in range(10):
        candidate = jitter.apply(random, view.box)
        cx, cy = candidate.center
        if 0 <= cx < width and 0 <= cy < height and candidate.w * candidate.h >= 1:
            around = candidate
            break
    image, scale = crop(view.image, around, factor, size)
    return image, to_crop(view.box, around.center, scale, size)


def _light(random: Random, image: Image, augmentation: Augmentation, grey: bool) -> Image:
    values = image.astype(np.float32)
    if grey:
        values = np.repeat((values @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], 3, -1)
    if augmentation.contrast:
        middle = values.mean()
        values = middle + (values - middle) * (1 + random.uniform(-1, 1) * augmentation.contrast)
        values *= 1 + random.uniform(-0.5, 0.5, 3).astype(np.float32) * augmentation.contrast
    values *= 1 + random.uniform(-1, 1) * augmentation.brightness
    return np.clip(values, 0, 255).astype(np.uint8)


def _blur(random: Random, image: Image) -> Image:
    """Mean over a short line of shifts, horizontal or vertical."""
    length, axis = int(random.integers(2, 6)), int(random.integers(2))
    padded = np.pad(image.astype(np.float32), [(length, length) if a == axis else (0, 0) for a in range(3)], "edge")
    parts = [np.take(padded, range(s, s + image.shape[axis]), axis) for s in range(length, 2 * length)]
    blurred: Image = np.mean(parts, 0).astype(np.uint8)
    return blurred
