"""Losses of the box and score stages."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.training.config import LossSection


def l1_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Compute the mean absolute difference of xyxy corners, (B, 4) fractions of the crop."""
    return (predicted - target).abs().mean()


def giou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Compute the mean of 1 - generalized IoU of xyxy boxes (B, 4)."""
    overlap, union = iou(predicted, target)
    hull = _hull(predicted, target)
    around = (hull[:, 2:] - hull[:, :2]).clamp(min=0).prod(1)
    return (1 - overlap + (around - union) / around).mean()


def ciou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Compute the mean of 1 - complete IoU of xyxy boxes (B, 4), each IoU limited to [-1, 1] (official form).

    The aspect-ratio term counts only where IoU is above 0.5, and its weight carries no gradient.
    """
    overlap, _ = iou(predicted, target)
    hull = _hull(predicted, target)
    diagonal = (hull[:, 2:] - hull[:, :2]).square().sum(1)
    distance = ((predicted[:, :2] + predicted[:, 2:] - target[:, :2] - target[:, 2:]) / 2).square().sum(1)
    (w1, h1), (w2, h2) = _size(predicted), _size(target)
    counts = overlap.detach() > 0.5
    # A height near 0 has an infinite gradient; where the term does not count, the official code then gives NaN.
    aspect = 4 / math.pi**2 * (torch.atan(w2 / h2) - torch.atan(w1 / torch.where(counts, h1, 1))).square()
    with torch.no_grad():
        # The official code divides 0 by 0 where prediction and target are equal; the bound avoids that NaN.
        weight = counts.to(aspect.dtype) * aspect / (1 - overlap + aspect).clamp(min=1e-12)
    return (1 - (overlap - distance / diagonal - weight * aspect).clamp(-1, 1)).mean()


def distribution_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the cross-entropy of four edge distributions against the two bins around each true edge (Li et al. 2020).

    `logits` are (B, 4, bins) in the order left, right, top, bottom; `target` (B, 4) is xyxy in [0, 1].
    """
    bins = logits.shape[-1]
    place = (target[:, [0, 2, 1, 3]] * bins).clamp(0, bins - 1)
    below = place.floor().long().clamp(max=bins - 2)
    part = (place - below).unsqueeze(-1)
    wanted = torch.zeros_like(logits).scatter_(2, below.unsqueeze(-1), 1 - part)
    wanted.scatter_(2, below.unsqueeze(-1) + 1, part)
    return -(wanted * logits.log_softmax(-1)).sum(-1).mean()


def coverage(boxes: Tensor, grid: int) -> Tensor:
    """Compute the part (B, grid * grid), row by row, of each patch of a crop that boxes (B, 4) xyxy in [0, 1] cover."""
    edge = torch.arange(grid + 1, device=boxes.device, dtype=boxes.dtype) / grid

    def along(low: Tensor, high: Tensor) -> Tensor:
        shared = edge[1:].minimum(high[:, None]) - edge[:-1].maximum(low[:, None])
        return shared.clamp(min=0) * grid

    columns, rows = along(boxes[:, 0], boxes[:, 2]), along(boxes[:, 1], boxes[:, 3])
    return (rows[:, :, None] * columns[:, None, :]).flatten(1)


def auxiliary_loss(answers: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the auxiliary dense losses of search tokens: whether each patch is on the target, and its box.

    `answers` (B, g * g, 5) are one logit, then the box's xyxy as fractions of the crop. Returns the binary
    cross-entropy against the covered part of each patch, and the mean absolute error of boxes, weighted by that part.
    """
    inside = coverage(target, math.isqrt(answers.shape[1]))
    answers = answers.float()
    on_target = F.binary_cross_entropy_with_logits(answers[..., 0], inside)
    error = (answers[..., 1:] - target[:, None]).abs().mean(-1)
    return on_target, (error * inside).sum() / inside.sum().clamp(min=1)


def box_loss(
    boxes: Tensor, logits: Tensor | None, target: Tensor, weights: LossSection
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the weighted box loss, and its detached parts with the mean `iou`.

    `boxes` (B, 4) are predicted centers and sizes, `target` (B, 4) the true xyxy, clamped here to [0, 1]; `logits` (B,
    4, bins) of the edges are used only if `weights.dfl` is not 0. `weights.aux` is not used here.
    """
    corners, target = cxcywh_to_xyxy(boxes.float()), target.clamp(0, 1)
    overlap_loss = ciou_loss if weights.iou_type == "ciou" else giou_loss
    parts = {"l1": l1_loss(corners, target), weights.iou_type: overlap_loss(corners, target)}
    total = weights.l1 * parts["l1"] + weights.iou_weight * parts[weights.iou_type]
    if weights.dfl and logits is not None:
        parts["dfl"] = distribution_focal_loss(logits.float(), target)
        total = total + weights.dfl * parts["dfl"]
    parts["iou"] = iou(corners, target)[0].mean()
    return total, {name: value.detach() for name, value in parts.items()}


def score_loss(logits: Tensor, present: Tensor) -> Tensor:
    """Compute the binary cross-entropy of score logits (B,) against presence (B,) in {0, 1}."""
    return F.binary_cross_entropy_with_logits(logits.float(), present.float())


def _hull(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([first[:, :2].minimum(second[:, :2]), first[:, 2:].maximum(second[:, 2:])], 1)


def _size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
