"""Precise RoI pooling (Jiang et al., IoU-Net, ECCV 2018) as two small matrix products."""

from __future__ import annotations

import torch
from torch import Tensor


def precise_roi_pool(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Exact mean of the bilinearly interpolated features over each bin of a box.

    Pixel (i, j) lies at the coordinate (i, j) and beyond the map the features are 0. The bilinear kernel is a product
    of two hats, so the mean over a bin is one too: `rows @ features @ columns^T`, with the mean of each hat over each
    bin as weights. Differentiable in the features and in the boxes, on every device.

    Args:
        features: (B, C, H, W).
        boxes: (B, 4) xyxy in units of the map's pixels, one for each item.
        size: bins along each side.

    Returns:
        (B, C, size, size); 0 for a box without area.
    """
    height, width = features.shape[2:]
    columns = _mean_hats(boxes[:, 0], boxes[:, 2], size, width).to(features.dtype)
    rows = _mean_hats(boxes[:, 1], boxes[:, 3], size, height).to(features.dtype)
    return torch.einsum("bih,bchw,bjw->bcij", rows, features, columns)


def _mean_hats(start: Tensor, end: Tensor, bins: int, count: int) -> Tensor:
    """Mean over each bin of [start, end] (B,) of the hat max(0, 1 - |t - k|) around each k < count: (B, bins, count).

    Left and right of its peak the hat is a line, so its integral is length times the value in the middle: exact, and
    without the cancellation of a difference of antiderivatives.
    """
    step = (end - start).clamp(min=0) / bins  # (B,)
    edges = start[:, None] + step[:, None] * torch.arange(bins + 1, device=start.device, dtype=start.dtype)
    low, high = edges[:, :-1, None], edges[:, 1:, None]
    peak = torch.arange(count, device=start.device, dtype=start.dtype)
    area = torch.zeros((), device=start.device, dtype=start.dtype)
    for side in (-1, 0):  # from k - 1 to k, then from k to k + 1
        left, right = low.clamp(peak + side, peak + side + 1), high.clamp(peak + side, peak + side + 1)
        area = area + (right - left) * (1 - ((left + right) / 2 - peak).abs())
    length = step[:, None, None]
    empty = ~(length > 0)  # filled, not chosen with `where`: that copies its number to a GPU, which no graph can record
    return (area / length.masked_fill(empty, 1)).masked_fill(empty, 0)
