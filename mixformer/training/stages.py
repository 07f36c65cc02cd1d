"""The stages of training: each freezes and trains parts of a network, and computes the loss of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mixformer.data.sample_dataset import Batch
from mixformer.errors import ConfigError
from mixformer.imaging.boxes import cxcywh_to_xyxy, iou
from mixformer.models import MixFormer
from mixformer.models.heads import TokenScore
from mixformer.models.mixformer import Prediction
from mixformer.training.distillation import (
    check_feature_pairs,
    depth_scales,
    distill_loss,
    edge_logits,
    freeze_removed,
    pruning_rate,
    resize_for,
)
from mixformer.training.losses import auxiliary_loss, box_loss, score_loss
from mixformer.training.pretraining import PretrainStage
from mixformer.training.recipe import Recipe
from mixformer.weights.pruning import blocks_left

LossDict = dict[str, Tensor]


@dataclass(frozen=True)
class BatchPosition:
    """Position of a batch in a run."""

    step: int  # optimizer steps done
    epoch_steps: int  # steps of an epoch
    batch: int  # samples of the whole step, all processes and micro-batches together
    places: slice  # the samples of the step that are in this batch

    @property
    def epoch(self) -> int:
        """Running epoch, counted from 1."""
        return self.step // self.epoch_steps + 1


class BoxStage(nn.Module):
    """The box, with an optional auxiliary loss on search tokens.

    Prediction tokens must find the target before they can learn its edges. The auxiliary head predicts, from each
    search token of the two blocks before the last, whether the token is on the target, and the box. This is a dense
    signal from the first step, as from a dense teacher in MixFormerV2's first distillation stage. The published recipes
    do not use it (`loss.aux` 0). The head is not part of the trained model.

    With `loss.score` the score head learns together with the network, from samples with and without the target
    (`data.negatives`). It learns whether the network's own box overlaps the target by more than half, and the blocks
    learn what tells it. The box then learns only from samples whose target has its center in the search crop.
    """

    def __init__(self, model: MixFormer, recipe: Recipe) -> None:
        super().__init__()
        loss = recipe.loss
        if loss.dfl and not model.config.predicts_edges:
            raise ConfigError(
                f"loss.dfl needs a head that predicts distributions of edges, but {model.config.name} has "
                f"{model.config.head!r}; set loss.dfl = 0"
            )
        if loss.aux and model.config.elimination:
            raise ConfigError(
                f"loss.aux needs all search tokens, but {model.config.name} leaves some out; set loss.aux = 0, or "
                "model_overrides.elimination = []"
            )
        if loss.score and not isinstance(model.score_head, TokenScore):
            raise ConfigError(f"loss.score needs a score head on prediction tokens, which {model.config.name} lacks")
        self.model = model
        dim = model.config.final_dim
        self.aux_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 5)) if loss.aux else None
        self.weights = loss
        freeze(model, recipe.optimizer.freeze_blocks)
        if model.score_head is not None:
            model.score_head.requires_grad_(bool(loss.score))

    def forward(self, batch: Batch, position: BatchPosition) -> tuple[Tensor, LossDict]:
        """Box loss, plus the auxiliary loss and that of the score if the recipe weighs them."""
        model, keep = self.model, self.aux_head is not None
        scales = drop_path(model, batch, position)
        memory = model.remember(model.normalize(batch.templates), scales)
        search = model.normalize(batch.search)
        found = model.locate(search, memory, scales, keep_features=keep, full=False)
        edges = edge_logits(found) if self.weights.dfl else None
        if not self.weights.score:
            return self._box_loss(found.boxes, edges, found.features, batch.boxes)
        loss, parts = self._score_loss(found, batch)
        centers = (batch.boxes[:, :2] + batch.boxes[:, 2:]) / 2
        seen = (batch.present > 0.5) & (centers > 0).all(1) & (centers < 1).all(1)  # the target is in the crop
        # A batch without any target counts all its boxes at weight 0, since each process must reach every layer.
        weight, chosen = (1, seen) if seen.any() else (0, ~seen)
        edges, features = edges if edges is None else edges[chosen], [x[chosen] for x in found.features]
        box, more = self._box_loss(found.boxes[chosen], edges, features, batch.boxes[chosen])
        return loss + weight * box, parts | more

    def _box_loss(
        self, boxes: Tensor, edges: Tensor | None, features: list[Tensor], target: Tensor
    ) -> tuple[Tensor, LossDict]:
        loss, parts = box_loss(boxes, edges, target, self.weights)
        if self.aux_head is not None:
            extra, more = self._auxiliary_loss(self.aux_head, features, target.clamp(0, 1))
            loss, parts = loss + self.weights.aux * extra, parts | more
        return loss, parts

    def _score_loss(self, found: Prediction, batch: Batch) -> tuple[Tensor, LossDict]:
        """Cross-entropy of the score against the own box: does it overlap the target by more than half?"""
        assert found.scores is not None  # checked when the stage was made
        overlap, _ = iou(cxcywh_to_xyxy(found.boxes.detach().float()), batch.boxes)
        right = (overlap.nan_to_num() > 0.5) & (batch.present > 0.5)
        # Labels a little off 0 and 1 keep the logits of easy samples from growing without end.
        loss = score_loss(found.scores, right * 0.98 + 0.01)
        agrees = ((found.scores > 0) == right).float().mean()
        return self.weights.score * loss, {"score": loss.detach(), "accuracy": agrees}

    def _auxiliary_loss(self, head: nn.Module, features: list[Tensor], target: Tensor) -> tuple[Tensor, LossDict]:
        count = self.model.config.search_grid**2
        layers = features[-3:-1] or features[-1:]
        pairs = [auxiliary_loss(head(x[:, :count]), target) for x in layers]
        inside, box = (torch.stack(part).mean() for part in zip(*pairs, strict=True))
        return inside + self.weights.l1 * box, {"inside": inside.detach(), "aux_l1": box.detach()}


class ScoreStage(nn.Module):
    """The score head on a frozen network, on crops with and without the target."""

    def __init__(self, model: MixFormer, recipe: Recipe) -> None:
        super().__init__()
        if model.score_head is None:
            raise ConfigError(f"{model.config.name} has no score head to train; use a model with one, or another stage")
        self.model = model
        model.requires_grad_(False)
        model.score_head.requires_grad_(True)

    def forward(self, batch: Batch, position: BatchPosition) -> tuple[Tensor, LossDict]:
        """Compute the cross-entropy of the score; the SPM reads the true boxes (journal paper, section 3.5)."""
        model = self.model
        memory = model.remember(model.normalize(batch.templates))
        logits = model.locate(model.normalize(batch.search), memory, regions=batch.boxes).scores
        assert logits is not None  # there is a head
        loss = score_loss(logits, batch.present)
        right = ((logits > 0) == (batch.present > 0.5)).float().mean()
        return loss, {"score": loss.detach(), "accuracy": right}


class DistillStage(nn.Module):
    """The box with a teacher, while blocks of the student may fade out (MixFormerV2, sections 3.2 and 3.3)."""

    def __init__(self, model: MixFormer, teacher: MixFormer, recipe: Recipe) -> None:
        """Raises ConfigError for pairs of blocks that cannot be compared. `parameters` leaves the teacher out."""
        super().__init__()
        check_feature_pairs(model.config, teacher.config, recipe.teacher)
        blocks_left(model.config, recipe.pruning.blocks)
        self.model = model
        self.loss, self.settings, self.pruning = recipe.loss, recipe.teacher, recipe.pruning
        self._teacher = [teacher.eval().requires_grad_(False)]  # a list hides it from `parameters` and `state_dict`
        freeze(model, recipe.optimizer.freeze_blocks)
        freeze_removed(model, self.pruning.blocks)
        if model.score_head is not None:
            model.score_head.requires_grad_(False)

    def forward(self, batch: Batch, position: BatchPosition) -> tuple[Tensor, LossDict]:
        """Compute the box loss, the divergence from the teacher's edges, and the error of block outputs."""
        model, keep = self.model, self.settings.feature_weight > 0
        scales = self._scales(batch, position)
        memory = model.remember(model.normalize(batch.templates), scales, keep_features=keep)
        found = model.locate(model.normalize(batch.search), memory, scales, keep_features=keep)
        with torch.no_grad():
            teacher = self._teacher[0].to(batch.search.device)
            sizes = teacher.config.template_size, teacher.config.search_size
            images = (teacher.normalize(batch.templates), teacher.normalize(batch.search))
            templates, search = (resize_for(image, size) for image, size in zip(images, sizes, strict=True))
            known = teacher.remember(templates, keep_features=keep)
            answer = teacher.locate(search, known, keep_features=keep)
        return distill_loss(found, memory, answer, known, batch.boxes, self.loss, self.settings)

    def _scales(self, batch: Batch, position: BatchPosition) -> Tensor | None:
        scales = drop_path(self.model, batch, position)
        if not self.pruning.blocks:
            return scales
        if scales is None:
            scales = torch.ones(self.model.config.mixing_depth, 2, 1, device=batch.search.device)
        epoch = position.epoch if self.pruning.variant == "official" else position.step / position.epoch_steps
        rate = pruning_rate(epoch, self.pruning.epochs, self.pruning.variant)
        return depth_scales(scales, self.pruning.blocks, rate, self.pruning.variant)


class MaskedStage(PretrainStage):
    """Pre-training in the trainer's call form."""

    def forward(self, batch: Batch, position: BatchPosition | torch.Generator | None = None) -> tuple[Tensor, LossDict]:
        """Compute the loss of `PretrainStage.forward`; masks depend on the step and the place of the batch in it."""
        if not isinstance(position, BatchPosition):
            return super().forward(batch, position)
        place = position.places.start or 0
        return super().forward(batch, torch.Generator().manual_seed(torch.initial_seed() + 7919 * place))


TrainingStage = BoxStage | ScoreStage | DistillStage | MaskedStage
"""A module with the network `model` that it trains. A call gives the loss of a batch, and its parts for the log."""


def drop_path(model: MixFormer, batch: Batch, position: BatchPosition) -> Tensor | None:
    """Draw the factors of stochastic depth of a batch; None if there is none.

    They are drawn for the whole step, so that they do not depend on its split into processes and micro-batches.
    """
    if not (model.training and model.config.drop_path):
        return None
    return model.draw_drop_path(position.batch, batch.search.device)[..., position.places]


def freeze(model: MixFormer, blocks: int) -> None:
    """Freeze the first blocks, and the embeddings, tables and tokens of their stages. 0 freezes nothing."""
    for stage in model.backbone.parts:
        if blocks <= 0:
            return
        stage.requires_grad_(False)
        for block in stage.typed_blocks[blocks:]:
            block.requires_grad_(True)
        blocks -= stage.size.depth


def build_stage(model: MixFormer, recipe: Recipe, teacher: MixFormer | None = None) -> nn.Module:
    """Build the stage of a recipe; raises ConfigError if it cannot train the network."""
    if recipe.stage == "pretrain":
        return MaskedStage(model, recipe.masks)
    if recipe.stage == "distill":
        if teacher is None:
            raise ConfigError("the distill stage needs a teacher; name it in teacher.model")
        return DistillStage(model, teacher, recipe)
    return BoxStage(model, recipe) if recipe.stage == "box" else ScoreStage(model, recipe)
