"""The losses of distillation (MixFormerV2, sections 3.2 and 3.3).

Dense-to-sparse: the student's edge distributions follow those of a teacher with a dense head. Deep-to-shallow: block
outputs also follow the teacher, while blocks of the student fade out (`mixformer.training.depth_pruning`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError
from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.models import Memory, Prediction, RawTemplates
from mixformer.models.corner import log_marginals
from mixformer.models.layers import at_least_float32
from mixformer.training.config import LossSection, TeacherSection
from mixformer.training.losses import box_loss

_MOST_TOKENS = 4  # prediction tokens of any network


def check_feature_pairs(student: ModelConfig, teacher: ModelConfig, settings: TeacherSection) -> None:
    """Check before training that each pair of blocks can be compared.

    Args:
        student: configuration of the student.
        teacher: configuration of the teacher.
        settings: the pairs of blocks.

    Raises:
        ConfigError: for a block that does not exist, pairs of unequal width or grid, or different prediction tokens.
    """
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
    """Compute the log-probabilities of the four box edges, for each head.

    A corner map is the joint distribution of a column and a row, so its marginals are those of two edges: columns of
    the top-left corner give left, rows top; the bottom-right corner gives right and bottom (equation 4).

    Returns:
        (B, 4, n) in the order left, right, top, bottom; at least float32.

    Raises:
        ConfigError: if the head predicts no distribution.
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
    """Resample distributions to another number of bins, for a teacher with another grid than the student's.

    In each head, bin k of n is the position k / n, so teacher bin k is at x = k * bins / n in units of the student's
    bins. The student bins j around x share its mass, with the weights max(0, 1 - |j - x| / r) / r. For every whole r
    these weights sum to 1 and have the mean x, so mass and expectation are kept exactly. r = 1 shares mass linearly
    between the two neighbors. For a finer student r = ceil(bins / n), and less beside the border: with r = 1 the target
    would be a comb of the teacher's few positions, which no student can learn.

    The last bins of the teacher can be further right than the last bin of a coarser student. Their mass moves to that
    bin, by at most 1 / bins - 1 / n of the crop. Only there the expectation is not kept.

    Args:
        probabilities: (..., n), summing to 1.
        bins: number of bins of the result.

    Returns:
        (..., bins), summing to 1; the same tensor if n equals `bins`.
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
    """Compute the Kullback-Leibler divergence of the student's edge distributions from the teacher's, temperature 1.

    Args:
        student: (B, 4, n) logits or log-probabilities.
        teacher: (B, 4, n) probabilities; zeros are allowed.
        variant: "official" for the mean over edges and samples; "paper" for the sum over edges (equation 5), averaged
            over samples.
    """
    divergence = F.kl_div(at_least_float32(student).log_softmax(-1), teacher, reduction="sum") / student.shape[0]
    return divergence if variant == "paper" else divergence / student.shape[1]


def feature_mse(student: Sequence[Tensor], teacher: Sequence[Tensor], settings: TeacherSection) -> Tensor:
    """Compute the mean squared error of block outputs, without projection or normalization.

    If only one network has prediction tokens, they are left out.

    Args:
        student: output (B, N, C) of each block, tokens in the order template, online templates, search, prediction.
        teacher: the same for the teacher.
        settings: the pairs of blocks, and the variant: "official" for the mean over the pairs, "paper" for their sum
            (equation 6).

    Raises:
        ConfigError: if a pair differs in shape.
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
    """Return the outputs (B, T + S + E, C) of each block, templates first.

    Raises ConfigError if `remember` or `locate` did not keep them.
    """
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
    """Compute the loss of a distillation step (equation 10). The heads of both networks must predict edges.

    The numbers of bins may differ; crop sizes too, if features have no weight.

    Args:
        student: output of the student's `locate` for a batch.
        student_memory: output of its `remember`.
        teacher: output of the teacher's `locate` for the same batch; it gets no gradient.
        teacher_memory: output of its `remember`.
        target: (B, 4) true xyxy as fractions of the crop.
        loss: weights of the box loss.
        settings: weights of the losses from the teacher, and blocks to compare; a part with weight 0 is not computed.

    Returns:
        The loss, and its detached parts: those of `box_loss`, `kl`, `features`, and `teacher_iou`, the mean overlap of
        the teacher's boxes with the truth.

    Raises:
        ConfigError: if a head predicts no distribution, or features are missing or cannot be compared.
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
    """Resize crops to the input size of a teacher.

    The resize is bilinear with aligned corners, on normalized tensors, as in a part of the official code for its large
    teacher that is commented out. It adds no detail to the student's crop; a new crop of the frame at the teacher's
    size would.

    Args:
        images: (..., 3, h, w), normalized with the teacher's mean and standard deviation. Interpolation is linear, so
            normalizing before or after gives the same.
        size: side of the result in pixels.

    Returns:
        (..., 3, size, size); the same tensor if it has that size.
    """
    if images.shape[-2:] == (size, size):
        return images
    flat = images.reshape(-1, *images.shape[-3:])
    return F.interpolate(flat, (size, size), mode="bilinear", align_corners=True).view(*images.shape[:-2], size, size)


def _block_sizes(config: ModelConfig) -> list[tuple[int, int, int]]:
    """Return width, search grid and template grid of each block."""
    return [(s.dim, s.search_grid, s.template_grid) for s in config.stages for _ in range(s.depth)]
