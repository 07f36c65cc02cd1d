"""Crop, resize, mirror, blur and light a whole batch at once, on any device.

The loader sends only the part of each frame that its crop needs. Cropping uses the integer arithmetic of
`mixformer.imaging.crop`, so both give the same crops, bit for bit. Means (gray, contrast and blur) are sums of floats
in another order, so some values may differ by one level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixformer.data.crop_params import GRAY, LONGEST_BLUR, CropParams
from mixformer.imaging.crop import CropWindow

_ONE = 2048.0  # weights have 11 bits, as in `mixformer.imaging.resize`


@dataclass(frozen=True)
class PackedCrops:
    """Pixels and parameters of crops that `render` makes."""

    pixels: Tensor  # uint8 (P, 3), a black pixel and then the pixels of all frames, row by row
    # int64 (B, 6): row of the frame's first pixel in `pixels`, its width and height, left, top and side of the window
    layout: Tensor
    # float32 (B, 9): mirror, gray, and round to the nearest level (0 or 1 each), brightness factor, change contrast (0
    # or 1), contrast factor, and factors of the three channels
    light: Tensor
    blur: Tensor  # int64 (K, 3): number of a crop to blur, length in pixels, and axis

    def to(self, device: torch.device | str) -> PackedCrops:
        """Copy to a device."""
        return self._map(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> PackedCrops:
        """Copy to pinned memory, from which a GPU reads in the background."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> PackedCrops:
        return PackedCrops(*map(change, (self.pixels, self.layout, self.light, self.blur)))

    def render(self, size: int) -> Tensor:
        """Make all crops, uint8 (B, size, size, 3)."""
        place, width, height, left, top, side = self.layout.unsqueeze(-1).unbind(1)
        x0, x1, wx0, wx1 = _taps(left, side, width, size, snap=True)
        y0, y1, wy0, wy1 = _taps(top, side, height, size)
        mirror = self.light[:, :1] > 0
        x0, x1, wx0, wx1 = (torch.where(mirror, taps.flip(1), taps) for taps in (x0, x1, wx0, wx1))
        total = torch.full((1,), 2, dtype=torch.int32, device=self.pixels.device)
        for rows, wy in ((y0, wy0), (y1, wy1)):
            starts = torch.where(rows >= 0, place + rows * width, -1)
            across = self._gather(starts, x0) * wx0[:, None, :, None]
            across += self._gather(starts, x1) * wx1[:, None, :, None]
            total = total + (((across >> 4) * wy[:, :, None, None]) >> 16)
        return self._lit(self._blurred((total >> 2).clamp(0, 255)))

    def _gather(self, starts: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels (B, size, size, 3) int32 of rows that begin at `starts`; negative indices give black."""
        index = starts[:, :, None] + columns[:, None, :]
        index = torch.where((starts[:, :, None] >= 0) & (columns[:, None, :] >= 0), index, 0)
        return self.pixels.index_select(0, index.flatten()).view(*index.shape, 3).int()

    def _blurred(self, values: Tensor) -> Tensor:
        """Blur the crops that `blur` lists; `values` are all crops, int32 (B, size, size, 3)."""
        if not len(self.blur):
            return values
        which, length, axis = self.blur.unbind(1)
        crops, steps = values.index_select(0, which), torch.arange(values.shape[1], device=values.device)
        number = torch.arange(len(which), device=which.device)[:, None, None]
        total = torch.zeros_like(crops, dtype=torch.float32)
        for shift in range(LONGEST_BLUR):
            down, right = ((steps + shift * (axis == a)[:, None]).clamp(max=len(steps) - 1) for a in (0, 1))
            moved = crops[number, down[:, :, None], right[:, None]]
            total += moved * (shift < length)[:, None, None, None]
        return values.index_copy(0, which, (total / length[:, None, None, None]).int())

    def _lit(self, values: Tensor) -> Tensor:
        _, gray, nearest, gain, changed, strength = self.light[:, :6, None, None, None].unbind(1)
        values = values.float()
        weights = torch.tensor(GRAY, device=values.device)
        values = torch.where(gray > 0, (values * weights).sum(-1, keepdim=True), values)
        middle = values.mean((1, 2, 3), keepdim=True)
        contrasted = (middle + (values - middle) * strength) * self.light[:, None, None, 6:]
        values = torch.where(changed > 0, contrasted, values) * gain
        return torch.where(nearest > 0, values.round(), values).clamp(0, 255).byte()


def pack_crops(plans: Sequence[CropParams]) -> PackedCrops:
    """Pack crops of equal size, whose parameters are `trimmed`."""
    frames = [torch.from_numpy(plan.frame) for plan in plans]
    light = torch.tensor([_light(plan) for plan in plans]).float()
    blur = [(number, *plan.blur) for number, plan in enumerate(plans) if plan.blur is not None]
    return pack_frames(frames, [plan.window for plan in plans], light, blur)


def _light(plan: CropParams) -> tuple[float, ...]:
    """A row of `PackedCrops.light`."""
    strength, channels = plan.contrast or (1.0, np.ones(3))
    changes = plan.flip, plan.gray, plan.nearest, plan.gain, plan.contrast is not None
    return (*map(float, changes), strength, *map(float, channels))


def pack_frames(
    frames: Sequence[Tensor], windows: Sequence[CropWindow], light: Tensor, blur: Sequence[tuple[int, int, int]]
) -> PackedCrops:
    """Pack crops of frames uint8 (H, W, 3) on one device; `light` and `blur` are rows of `PackedCrops`."""
    black = torch.zeros(1, 3, dtype=torch.uint8, device=frames[0].device)
    pixels = torch.cat([black, *(frame.reshape(-1, 3) for frame in frames)])
    places = 1 + np.cumsum([0, *(frame.shape[0] * frame.shape[1] for frame in frames[:-1])])
    rows = [
        (int(place), frame.shape[1], frame.shape[0], window.left, window.top, window.side)
        for place, frame, window in zip(places, frames, windows, strict=True)
    ]
    return PackedCrops(pixels, torch.tensor(rows), light, torch.tensor(blur, dtype=torch.int64).reshape(-1, 3))


def _taps(
    start: Tensor, side: Tensor, length: Tensor, size: int, *, snap: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the two columns (or rows) of the frame that each output pixel mixes, -1 for black, and their weights.

    All four are (B, size); `start`, `side` and `length` (of the frame) are (B, 1). `snap`: see
    `mixformer.imaging.crop`.
    """
    steps = torch.arange(size, device=start.device, dtype=torch.float64) + 0.5
    position = (steps * (1.0 / (size / side.double())) - 0.5).float()
    first = position.floor()
    fraction = position - first
    first = first.long()
    if snap:
        fraction = torch.where((first < 0) | (first >= side - 1), 0.0, fraction)
    limit = torch.where(start + side >= length, length - 1, length)  # the official border: the last column is lost
    taps = []
    for tap in (first, first + 1):
        inside = tap.clamp(min=0).minimum(side - 1) + start
        taps.append(torch.where((inside >= 0) & (inside < limit), inside, -1))
    weights = (((1 - fraction) * _ONE).round().int(), (fraction * _ONE).round().int())
    return taps[0], taps[1], weights[0], weights[1]
