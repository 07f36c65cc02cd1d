"""Synthetic samples: cut-outs that move over backgrounds, with exact boxes, distractors and occluders."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from mixformer.data.annotated_folders import MaskedObject
from mixformer.data.motion import Motion, Pass, Pose, Swing, motion_blur
from mixformer.data.sampling import AnnotatedFrame, Random, SampleSource, TrainingSample
from mixformer.data.sequence import ImageCache
from mixformer.errors import DataError
from mixformer.imaging.last_used import LastUsed
from mixformer.types import Box, Image

_KEPT = 512 * 2**20  # bytes of cut-outs in memory
_LONGEST = 220  # pixels, longest side of a cut-out
_CANVAS = (300, 400)  # rows, columns: about the size of real frames, so that crops have a similar blur


class CutOuts:
    """Lazy list of RGBA cut-outs, trimmed to their object."""

    def __init__(self, objects: Sequence[MaskedObject], cache: ImageCache) -> None:
        """Raises DataError if there are no objects."""
        if not objects:
            raise DataError("there are no objects to cut out; give pictures with masks or an alpha channel")
        self.objects, self.cache = list(objects), cache
        self._kept: LastUsed[int, NDArray[np.uint8]] = LastUsed(_KEPT, attrgetter("nbytes"))

    def __len__(self) -> int:
        return len(self.objects)

    def get(self, index: int) -> NDArray[np.uint8]:
        """RGBA uint8 (h, w, 4), alpha 0..255; raises DataError if a picture is damaged, or a mask does not fit."""
        found = self._kept.get(index)
        if found is None:
            found = self._load(self.objects[index])
            self._kept.put(index, found)
        return found

    def _load(self, thing: MaskedObject) -> NDArray[np.uint8]:
        if thing.mask is None:
            rgba = _pixels(thing.image, "RGBA")
        else:
            image, labels = self.cache.read(thing.image), _pixels(thing.mask)
            if labels.shape != image.shape[:2]:
                raise DataError(
                    f"the mask {thing.mask} is an array {labels.shape} and its picture {image.shape}; give one label "
                    "for each pixel"
                )
            rgba = np.dstack([image, (labels == thing.label).astype(np.uint8) * 255])
        rows, columns = np.nonzero(rgba[..., 3] > 127)
        if len(rows) == 0:
            return np.full((32, 32, 4), 127, np.uint8)
        trimmed = rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        scale = min(1.0, _LONGEST / max(trimmed.shape[:2]))
        size = max(8, round(trimmed.shape[1] * scale)), max(8, round(trimmed.shape[0] * scale))
        return np.array(PillowImage.fromarray(trimmed).resize(size, PillowImage.Resampling.BILINEAR))


def _pixels(path: Path, mode: str = "") -> NDArray[np.uint8]:
    try:
        with PillowImage.open(path) as picture:
            return np.array(picture.convert(mode) if mode else picture)
    except Exception as error:  # decoders raise all kinds of errors for damaged content
        raise DataError(f"cannot read the image {path}: {error or type(error).__name__}") from error


class SyntheticSamples(SampleSource):
    """Samples of one cut-out. Its place, angle, size, light and occlusion differ in every frame."""

    def __init__(
        self,
        cut_outs: CutOuts,
        backgrounds: Sequence[Path],
        cache: ImageCache,
        motion: Motion | None = None,
        lookalikes: float = 0.0,
    ) -> None:
        """Without `motion`, every frame has a new place; `lookalikes` is the probability that the target comes twice.

        Raises DataError if there are no backgrounds.
        """
        if not backgrounds:
            raise DataError("there are no backgrounds to paste on; give a folder of pictures as backgrounds")
        self.cut_outs, self.backgrounds, self.cache, self.motion = cut_outs, list(backgrounds), cache, motion
        self.lookalikes = lookalikes

    def draw(self, random: Random, templates: int) -> TrainingSample:
        """Draw a target over one background (sometimes another in the search frame), with distractors."""
        target = self._cut_out(random)
        side = random.uniform(24, 110)
        others = [self.cut_outs.get(int(i)) for i in random.integers(len(self.cut_outs), size=random.integers(0, 4))]
        if self.lookalikes and random.random() < self.lookalikes:
            others.append(target)
        scene = self._background(random)
        if self.motion is not None:
            *shown, search = self._film(random, self.motion, [*others, target], side, scene, templates + 1)
            return TrainingSample(tuple(shown), search)
        views = [self._compose(random, target, side, others, scene) for _ in range(templates)]
        if random.random() < 0.3:
            scene = self._background(random)
        return TrainingSample(tuple(views), self._compose(random, target, side, others, scene))

    def view(self, random: Random) -> AnnotatedFrame:
        """Compose one frame."""
        return self.draw(random, 1).search

    def _cut_out(self, random: Random) -> NDArray[np.uint8]:
        return self.cut_outs.get(int(random.integers(len(self.cut_outs))))

    def _background(self, random: Random) -> Image:
        image = self.cache.read(self.backgrounds[int(random.integers(len(self.backgrounds)))])
        rows, columns = _CANVAS
        scale = max(rows / image.shape[0], columns / image.shape[1]) * random.uniform(1.0, 1.5)
        size = max(columns, round(image.shape[1] * scale)), max(rows, round(image.shape[0] * scale))
        large = np.asarray(PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BILINEAR))
        y = int(random.integers(large.shape[0] - rows + 1))
        x = int(random.integers(large.shape[1] - columns + 1))
        return large[y : y + rows, x : x + columns]

    def _compose(
        self, random: Random, target: NDArray[np.uint8], side: float, others: list[NDArray[np.uint8]], scene: Image
    ) -> AnnotatedFrame:
        frame = np.roll(scene, tuple(random.integers(-12, 13, 2)), (0, 1)).astype(np.float32)
        rows, columns = _CANVAS
        for other in others:
            _paste(frame, _pose(random, other, side), random.uniform(0, columns), random.uniform(0, rows))
        posed = _pose(random, target, side)
        cx = random.uniform(0.1, 0.9) * columns
        cy = random.uniform(0.1, 0.9) * rows
        box = _paste(frame, posed, cx, cy)
        if random.random() < 0.2:  # an occluder over one side of the target
            other = self._cut_out(random)
            dx, dy = random.choice([-0.5, 0.5], 2) * (box.w, box.h)
            _paste(frame, _pose(random, other, 0.6 * side), cx + dx, cy + dy)
        return AnnotatedFrame(frame.astype(np.uint8), box)

    def _film(
        self, random: Random, motion: Motion, things: list[NDArray[np.uint8]], side: float, scene: Image, count: int
    ) -> list[AnnotatedFrame]:
        """Frames of one moving scene at ascending times; the last of the things is the target."""
        times = motion.times(random, count)
        ways: list[Swing | Pass] = [Swing.draw(random, motion, side, *_CANVAS) for _ in things]
        target = len(things) - 1
        if random.random() < motion.occlusion:
            ways.append(Pass.draw(random, motion, ways[target].at(times[-1]), times[-1]))
            things = [*things, self._cut_out(random)]
        views = []
        for time in times:
            frame, exposure = scene.astype(np.float32), random.uniform(0, motion.exposure)
            boxes = [
                _paste_moving(frame, thing, way.at(time), exposure) for thing, way in zip(things, ways, strict=True)
            ]
            views.append(AnnotatedFrame(np.clip(frame, 0, 255).astype(np.uint8), boxes[target]))
        return views


def _pose(random: Random, cut_out: NDArray[np.uint8], side: float) -> NDArray[np.uint8]:
    """Scale a cut-out to about `side` = sqrt(w * h) pixels, turn it a little and change its light."""
    height, width = cut_out.shape[:2]
    scale = side / np.sqrt(height * width) * np.exp(random.normal(0, 0.15))
    stretch = np.exp(random.normal(0, 0.08))
    size = max(6, round(width * scale * stretch)), max(6, round(height * scale / stretch))
    picture = PillowImage.fromarray(cut_out).resize(size, PillowImage.Resampling.BILINEAR)
    if random.random() < 0.5:
        picture = picture.rotate(random.normal(0, 12), PillowImage.Resampling.BILINEAR, expand=True)
    posed = np.array(picture)
    posed[..., :3] = np.clip(posed[..., :3] * random.uniform(0.8, 1.2), 0, 255)
    return posed


def _paste_moving(frame: NDArray[np.float32], cut_out: NDArray[np.uint8], pose: Pose, exposure: float) -> Box:
    """Blend a moving cut-out over `frame` in place; returns its box at the middle of the exposure."""
    height, width = cut_out.shape[:2]
    scale = pose.side / np.sqrt(height * width)
    size = max(6, round(width * scale)), max(6, round(height * scale))
    picture = PillowImage.fromarray(cut_out).resize(size, PillowImage.Resampling.BILINEAR)
    posed = np.array(picture.rotate(pose.angle, PillowImage.Resampling.BILINEAR, expand=True))
    blurred = motion_blur(posed, pose.velocity[0] * exposure, pose.velocity[1] * exposure)
    border = (blurred.shape[0] - posed.shape[0]) // 2, (blurred.shape[1] - posed.shape[1]) // 2
    left, top = round(pose.x - posed.shape[1] / 2), round(pose.y - posed.shape[0] / 2)
    _blend(frame, blurred, left - border[1], top - border[0])
    return _opaque(posed, left, top)


def _paste(frame: NDArray[np.float32], posed: NDArray[np.uint8], cx: float, cy: float) -> Box:
    """Blend a cut-out over `frame` in place, centered at (cx, cy); returns the box of its opaque part, not clipped."""
    left, top = round(cx - posed.shape[1] / 2), round(cy - posed.shape[0] / 2)
    _blend(frame, posed, left, top)
    return _opaque(posed, left, top)


def _opaque(posed: NDArray[np.uint8], left: int, top: int) -> Box:
    rows, columns = np.nonzero(posed[..., 3] > 127)
    if len(rows) == 0:
        rows, columns = np.array([0, posed.shape[0] - 1]), np.array([0, posed.shape[1] - 1])
    x, y = float(columns.min()), float(rows.min())
    return Box(left + x, top + y, columns.max() + 1 - x, rows.max() + 1 - y)


def _blend(frame: NDArray[np.float32], posed: NDArray[np.uint8], left: int, top: int) -> None:
    y1, y2 = max(top, 0), min(top + posed.shape[0], frame.shape[0])
    x1, x2 = max(left, 0), min(left + posed.shape[1], frame.shape[1])
    if y2 > y1 and x2 > x1:
        part = posed[y1 - top : y2 - top, x1 - left : x2 - left].astype(np.float32)
        alpha = part[..., 3:] / 255
        frame[y1:y2, x1:x2] += alpha * (part[..., :3] - frame[y1:y2, x1:x2])
