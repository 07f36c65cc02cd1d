"""The losses of distillation, and progressive depth pruning (MixFormerV2, sections 3.2 and 3.3).

Dense-to-sparse: the student's edge distributions follow those of a teacher with a dense head. Deep-to-shallow: block
outputs also follow the teacher, while blocks of the student fade out. At rate 0 these blocks change nothing, and
`mixformer.weights.pruning.remove_blocks` can remove them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.models import Memory, MixFormer, Prediction, RawTemplates
from mixformer.models.corner import log_marginals
from mixformer.models.layers import at_least_float32
from mixformer.training.config import LossSection, TeacherSection
from mixformer.training.losses import box_loss

PruningVariant = Literal["official", "paper"]
_MOST_TOKENS = 4  # prediction tokens of any network


def check_feature_pairs(student: ModelConfig, teacher: ModelConfig, settings: TeacherSection) -> None:
    """Check before training that each pair of blocks of the settings can be compared; raises ConfigError if not."""
    counts = student.prediction_tokens, teacher.prediction_tokens
    if settings.student_blocks and 0 < min(counts) < max(counts):
        raise ConfigError(
            f"{student.name} has {counts[0]} prediction tokens and {teacher.name} {counts[1]}: features cannot be "
            "compared. Give both the same number, or distill without features (feature_weight 0, no blocks)"
        )
    ours, theirs = _block_sizes(student), _block_sizes(teacher)
    for i, j in zip(settings.student_blocks, settings.teacher_blocks, strict=True):
        for block, sizes, config in ((i, ours, student), (j, theirs, teacher)):
            if not 0 <= block < len(sizes):
                raise ConfigError(f"{config.name} has blocks 0 to {len(sizes) - 1}, no block {block}")
            if config.elimination and block >= config.elimination[0][0]:
                raise ConfigError(
                    f"{config.name} leaves search tokens out after block {config.elimination[0][0]}, so features of "
                    f"block {block} cannot be compared; use pairs of earlier blocks"
                )
        if ours[i] != theirs[j]:
            raise ConfigError(
                f"block {i} of {student.name} and block {j} of {teacher.name} differ in (width, search grid, template "
                f"grid): {ours[i]} and {theirs[j]}. Give both networks the same width and crop sizes, or distill "
                "without features (feature_weight 0, no blocks)"
            )


def edge_logits(prediction: Prediction) -> Tensor:
    """Compute the log-probabilities (B, 4, n) of the left, right, top and bottom edge, for every head with edges.

    A corner map is the joint distribution of a column and a row, so its marginals are those of two edges: columns of
    the top-left corner give left, rows top; the bottom-right corner gives right and bottom (equation 4).
    """
    if prediction.logits is None:
        raise ConfigError("a query head predicts no distribution of edges; use a token, corner or pyramid head")
    logits = at_least_float32(prediction.logits)
    if logits.shape[1] == 2:
        side = math.isqrt(logits.shape[2])
        columns, rows = log_marginals(logits.flatten(0, 1).unflatten(1, (side, side)))
        logits = torch.cat([columns.unflatten(0, (-1, 2)), rows.unflatten(0, (-1, 2))], 1)
    return logits.log_softmax(-1)


def resample_distribution(probabilities: Tensor, bins: int) -> Tensor:
    """Resample distributions (..., n) to (..., bins), for a teacher with another grid than the student's.

    In each head, bin k of n is the position k / n, so teacher bin k is at x = k * bins / n in units of the student's
    bins. The student bins j around x share its mass, with the weights max(0, 1 - |j - x| / r) / r. For every whole r
    these weights sum to 1 and have the mean x, so mass and expectation are kept exactly. r = 1 shares mass linearly
    between the two neighbors. For a finer student r = ceil(bins / n), and less beside the border: with r = 1 the target
    would be a comb of the teacher's few positions, which no student can learn.

    The last bins of the teacher can be further right than the last bin of a coarser student. Their mass moves to that
    bin, by at most 1 / bins - 1 / n of the crop. Only there the expectation is not kept.
    """
    count = probabilities.shape[-1]
    if count == bins:
        return probabilities
    place = (torch.arange(count, dtype=torch.float64) * bins / count).clamp(max=bins - 1)
    reach = (place.floor() + 1).minimum((bins - place).floor()).clamp(max=math.ceil(bins / count))[:, None]
    distance = (torch.arange(bins, dtype=torch.float64) - place[:, None]).abs()
    share = ((1 - distance / reach).clamp(min=0) / reach).to(probabilities)
    return (probabilities.unsqueeze(-1) * share).sum(-2)  # no matrix product: autocast would make it half precision


def edge_kl(student: Tensor, teacher: Tensor, variant: str = "official") -> Tensor:
    """Compute the divergence (Kullback-Leibler, temperature 1) of student logits from teacher probabilities (B, 4, n).

    It is averaged over samples; "official" also averages over the edges, "paper" takes their sum (equation 5).
    """
    divergence = F.kl_div(at_least_float32(student).log_softmax(-1), teacher, reduction="sum") / student.shape[0]
    return divergence if variant == "paper" else divergence / student.shape[1]


def feature_mse(student: Sequence[Tensor], teacher: Sequence[Tensor], settings: TeacherSection) -> Tensor:
    """Compute the mean squared error of paired block outputs (B, N, C), without projection or normalization.

    Tokens are in the order template, online templates, search, prediction; prediction tokens are left out if only one
    network has them. "official" takes the mean over the pairs, "paper" their sum (equation 6). Raises ConfigError if a
    pair differs in shape.
    """
    errors = []
    for i, j in zip(settings.student_blocks, settings.teacher_blocks, strict=True):
        ours, theirs = student[i], teacher[j]
        count = min(ours.shape[1], theirs.shape[1])
        if ours.shape[2] != theirs.shape[2] or max(ours.shape[1], theirs.shape[1]) - count > _MOST_TOKENS:
            raise ConfigError(
                f"student block {i} and teacher block {j} cannot be compared: {tuple(ours.shape[1:])} and "
                f"{tuple(theirs.shape[1:])} (tokens, width). Both must keep the features of all tokens of the same "
                "templates and crop sizes"
            )
        errors.append(F.mse_loss(at_least_float32(ours[:, :count]), at_least_float32(theirs[:, :count]).detach()))
    total = torch.stack(errors).sum()
    return total if settings.variant == "paper" else total / len(errors)


def joint_features(prediction: Prediction, memory: Memory) -> list[Tensor]:
    """Return the outputs (B, T + S + E, C) of each block, templates first; ConfigError if they were not kept."""
    joint = isinstance(memory, RawTemplates)  # then the features of the search step are those of all tokens
    templates = [x[:, :0] for x in prediction.features] if joint else memory.features
    if not prediction.features or len(templates) != len(prediction.features):
        raise ConfigError("a loss on features needs keep_features=True in both `remember` and `locate`")
    return [torch.cat(pair, 1) for pair in zip(templates, prediction.features, strict=True)]


def distill_loss(
    student: Prediction,
    student_memory: Memory,
    teacher: Prediction,
    teacher_memory: Memory,
    target: Tensor,
    loss: LossSection,
    settings: TeacherSection,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the loss of a distillation step (equation 10), and its detached parts. Both heads must predict edges.

    Parts are those of `box_loss`, `kl`, `features`, and `teacher_iou`, the mean overlap of the teacher's boxes with the
    true xyxy boxes `target` (B, 4), fractions of the crop. A part with weight 0 is not computed. The numbers of bins
    may differ; crop sizes too, if features have no weight.
    """
    ours = edge_logits(student)
    total, parts = box_loss(student.boxes, ours, target, loss)
    parts["teacher_iou"] = iou(cxcywh_to_xyxy(teacher.boxes.float()), target.clamp(0, 1))[0].mean().detach()
    if settings.kl_weight:
        wanted = resample_distribution(edge_logits(teacher).detach().exp(), ours.shape[-1])
        divergence = edge_kl(ours, wanted, settings.variant)
        total, parts["kl"] = total + settings.kl_weight * divergence, divergence.detach()
    if settings.feature_weight:
        error = feature_mse(joint_features(student, student_memory), joint_features(teacher, teacher_memory), settings)
        total, parts["features"] = total + settings.feature_weight * error, error.detach()
    return total, parts


def resize_for(images: Tensor, size: int) -> Tensor:
    """Resize normalized crops (..., 3, h, w) to the input size of a teacher in pixels.

    The resize is bilinear with aligned corners, as in a part of the official code for its large teacher that is
    commented out. It adds no detail to the student's crop; a new crop of the frame at the teacher's size would.
    Interpolation is linear, so normalizing before or after gives the same.
    """
    if images.shape[-2:] == (size, size):
        return images
    flat = images.reshape(-1, *images.shape[-3:])
    return F.interpolate(flat, (size, size), mode="bilinear", align_corners=True).view(*images.shape[:-2], size, size)


def _block_sizes(config: ModelConfig) -> list[tuple[int, int, int]]:
    """Return width, search grid and template grid of each block."""
    return [(s.dim, s.search_grid, s.template_grid) for s in config.stages for _ in range(s.depth)]


def pruning_rate(epoch: float, length: float = 40.0, variant: PruningVariant = "official") -> float:
    """Return the remaining share of the blocks that fade out, from 1 to 0 along half a cosine (equation 9).

    For "official", `epoch` is the running one, from 1, and the rate is constant in it; the official code is one epoch
    ahead, so it ends an epoch before `length`. For "paper", `epoch` counts epochs done, from 0, with fractions.
    """
    first = 1 if variant == "official" else 0
    if epoch < first or length <= 0:
        raise ConfigError(f"the {variant} pruning rate needs epoch >= {first} and length > 0, not {epoch} and {length}")
    done = math.floor(epoch) + 1 if variant == "official" else epoch
    return 0.5 * (1 + math.cos(math.pi * min(done, length) / length))


def depth_scales(factors: Tensor, removed: Sequence[int], rate: float, variant: PruningVariant = "official") -> Tensor:
    """Scale the branches of the blocks `removed` to the share `rate`; the result goes to `remember` and `locate`.

    `factors` (mixing_depth, 2, B) are those of stochastic depth, or ones; B may be 1. "official" scales both branches
    of a block, so its MLP reads the scaled attention. "paper" (equation 8) has a third factor on everything that the
    block adds, so its MLP reads the whole attention: (mixing_depth, 3, B).
    """
    _require_blocks(removed, len(factors))
    fade = torch.ones_like(factors[:, :1])
    fade[list(removed)] = rate
    return factors * fade if variant == "official" else torch.cat([factors, fade], 1)


def freeze_removed(model: MixFormer, removed: Sequence[int]) -> None:
    """Freeze the weights of the fading blocks, as the official code does."""
    blocks = [block for stage in model.backbone.parts for block in stage.typed_blocks]
    _require_blocks(removed, len(blocks))
    for index in removed:
        blocks[index].requires_grad_(False)


def _require_blocks(removed: Sequence[int], count: int) -> None:
    if wrong := [i for i in removed if not 0 <= i < count]:
        raise ConfigError(f"cannot prune blocks {wrong}: the network has blocks 0 to {count - 1}")
