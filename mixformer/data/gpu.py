"""Crop, resize, mirror and light for a whole batch at once, on any device.

The loader then ships only the part of each frame that its crop needs. The arithmetic is that of `mixformer.crop`, in
whole numbers, so that a crop made here equals one made there bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixformer.crop import CropWindow
from mixformer.data.plan import GREY, CropPlan
from mixformer.errors import DataError
from mixformer.types import Image

_ONE = 2048.0  # weights have 11 bits, as in `mixformer.crop`


@dataclass(frozen=True)
class PackedCrops:
    """Crops that are still to be made.

    Attributes:
        pixels: uint8 (P, 3), a black pixel and then the pixels of all frames, row by row.
        layout: int64 (B, 6): place of the frame's first pixel, its width and height, the window's left, top and side.
        light: float32 (B, 4): mirror (0 or 1), grey (0 or 1), brightness factor, and 1 to round to the nearest level.
    """

    pixels: Tensor
    layout: Tensor
    light: Tensor

    def to(self, device: torch.device | str) -> PackedCrops:
        """The same on another device."""
        parts = (self.pixels, self.layout, self.light)
        return PackedCrops(*(part.to(device, non_blocking=True) for part in parts))

    def render(self, size: int) -> Tensor:
        """All crops, uint8 (B, size, size, 3)."""
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
        return self._lit((total >> 2).clamp(0, 255))

    def _gather(self, starts: Tensor, columns: Tensor) -> Tensor:
        """Pixels (B, size, size, 3) int32 of rows that begin at `starts`; what is negative is the black pixel."""
        index = starts[:, :, None] + columns[:, None, :]
        index = torch.where((starts[:, :, None] >= 0) & (columns[:, None, :] >= 0), index, 0)
        return self.pixels.index_select(0, index.flatten()).view(*index.shape, 3).int()

    def _lit(self, values: Tensor) -> Tensor:
        _, grey, gain, nearest = self.light[:, :, None, None, None].unbind(1)
        values = values.float()
        if bool((self.light[:, 1] > 0).any()):
            weights = torch.tensor(GREY, device=values.device)
            values = torch.where(grey > 0, (values * weights).sum(-1, keepdim=True), values)
        values = values * gain
        return torch.where(nearest > 0, values.round(), values).clamp(0, 255).byte()


def pack(plans: SequenceOf[CropPlan]) -> PackedCrops:
    """Crops of equal size for later; only the pixels they need are kept.

    Raises:
        DataError: if a plan asks for blur or contrast, which are made on the CPU only.
    """
    if any(plan.blur is not None or plan.contrast is not None for plan in plans):
        raise DataError("crops on the device know neither blur nor contrast; set both to 0 or crop in the loader")
    light = [(plan.flip, plan.grey, plan.gain, plan.nearest) for plan in plans]
    parts = [_needed(plan.frame, plan.window) for plan in plans]
    return _packed([part for part, _ in parts], [window for _, window in parts], torch.tensor(light).float())


def crop_batch(
    frames: SequenceOf[Tensor],
    windows: SequenceOf[CropWindow],
    size: int,
    *,
    flips: Tensor | None = None,
    brightness: Tensor | None = None,
) -> Tensor:
    """Cut one window out of each frame and resize it, in one batched operation on the frames' device.

    Args:
        frames: uint8 (H, W, 3) each, of any sizes, all on one device.
        windows: one for each frame; they may reach outside, where it is black.
        size: side of the crops in pixels.
        flips: bool (B,), which crops to mirror; none if not given.
        brightness: (B,) factors, the results rounded and clamped to 0..255; 1 if not given.

    Returns:
        uint8 (B, size, size, 3), equal to `mixformer.crop.crop` where neither flip nor brightness is asked for.
    """
    count = len(windows)
    light = torch.zeros(count, 4)
    light[:, 2:] = 1
    if flips is not None:
        light[:, 0] = flips
    if brightness is not None:
        light[:, 2] = brightness
    return _packed(frames, windows, light).to(frames[0].device).render(size)


def _packed(frames: SequenceOf[Tensor], windows: SequenceOf[CropWindow], light: Tensor) -> PackedCrops:
    black = torch.zeros(1, 3, dtype=torch.uint8, device=frames[0].device)
    pixels = torch.cat([black, *(frame.reshape(-1, 3) for frame in frames)])
    places = 1 + np.cumsum([0, *(frame.shape[0] * frame.shape[1] for frame in frames[:-1])])
    rows = [
        (int(place), frame.shape[1], frame.shape[0], window.left, window.top, window.side)
        for place, frame, window in zip(places, frames, windows, strict=True)
    ]
    return PackedCrops(pixels, torch.tensor(rows), light)


def _needed(frame: Image, window: CropWindow) -> tuple[Tensor, CropWindow]:
    """The part of a frame under a window, with the pixel beyond it that tells whether it reaches the border."""
    height, width = frame.shape[:2]
    x1, y1 = min(max(window.left, 0), width), min(max(window.top, 0), height)
    x2 = min(max(window.left + window.side + 1, x1), width)
    y2 = min(max(window.top + window.side + 1, y1), height)
    part = torch.from_numpy(frame[y1:y2, x1:x2].copy())
    return part, CropWindow(window.left - x1, window.top - y1, window.side)


def _taps(
    start: Tensor, side: Tensor, length: Tensor, size: int, *, snap: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frame columns (or rows) of the two samples of every output sample, -1 where black, and their weights: (B, size).

    See `mixformer.crop` for `snap`. `start`, `side` and `length` (of the frame) are (B, 1).
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
