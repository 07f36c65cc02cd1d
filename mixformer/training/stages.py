"""The two stages of training: what is trained, and the loss of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mixformer.data.dataset import Batch
from mixformer.errors import ConfigError
from mixformer.models import MixFormer
from mixformer.training.losses import BoxWeights, box_loss, hint_loss, score_loss
from mixformer.training.recipe import Recipe


class BoxStage(nn.Module):
    """Stage 1: the box, with auxiliary questions to the search tokens that training alone needs.

    The prediction tokens must learn where to look before they can learn where the edges are. Asking every search token
    of the two blocks before the last whether it lies on the target, and where the whole box is, gives a dense signal
    from the first step and leaves the prediction tokens with the task of reading the answer: what a dense teacher does
    in MixFormerV2's first distillation stage, without a teacher.
    """

    def __init__(self, model: MixFormer, recipe: Recipe) -> None:
        super().__init__()
        if recipe.edges and model.config.head != "token":
            raise ConfigError(
                f"the loss of edge distributions needs a token head, not {model.config.head!r}: edges = 0"
            )
        self.model = model
        dim = model.config.final_dim
        self.hints = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 5))
        self.weights, self.hint_weight = BoxWeights(recipe.l1, recipe.ciou, recipe.edges), recipe.hints
        freeze(model, recipe.freeze)
        if model.score_head is not None:
            model.score_head.requires_grad_(False)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Box loss plus the auxiliary loss."""
        model = self.model
        scales = model.draw_drop_path(len(batch.search), batch.search.device) if model.config.drop_path else None
        memory = model.remember(model.normalise(batch.templates), scales)
        found = model.locate(model.normalise(batch.search), memory, scales, keep_features=True, full=False)
        loss, parts = box_loss(found.boxes, found.logits, batch.boxes, self.weights)
        if self.hint_weight:
            extra, more = self._hint_loss(found.features, batch.boxes.clamp(0, 1))
            loss, parts = loss + self.hint_weight * extra, parts | more
        return loss, parts

    def _hint_loss(self, features: list[Tensor], target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        count = self.model.config.search_grid**2
        layers = features[-3:-1] or features[-1:]
        pairs = [hint_loss(self.hints(x[:, :count]), target) for x in layers]
        inside, box = (torch.stack(part).mean() for part in zip(*pairs, strict=True))
        return inside + self.weights.l1 * box, {"inside": inside.detach(), "hint_l1": box.detach()}


class ScoreStage(nn.Module):
    """Stage 2: the score head on a frozen network, on crops with and without the target."""

    def __init__(self, model: MixFormer, recipe: Recipe) -> None:
        super().__init__()
        if model.score_head is None:
            raise ConfigError(f"{model.config.name} has no score head to train")
        self.model = model
        model.requires_grad_(False)
        model.score_head.requires_grad_(True)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the score."""
        model = self.model
        memory = model.remember(model.normalise(batch.templates))
        logits = model.locate(model.normalise(batch.search), memory, regions=batch.boxes).scores
        assert logits is not None  # there is a head
        loss = score_loss(logits, batch.present)
        right = ((logits > 0) == (batch.present > 0.5)).float().mean()
        return loss, {"score": loss.detach(), "accuracy": right}


def freeze(model: MixFormer, blocks: int) -> None:
    """Keep the patch embedding, tokens, position tables and the first blocks as they are; 0 freezes nothing."""
    for stage in model.backbone.parts:
        if blocks <= 0:
            return
        stage.requires_grad_(False)
        for block in stage.typed_blocks[blocks:]:
            block.requires_grad_(True)
        blocks -= stage.size.depth


def build_stage(model: MixFormer, recipe: Recipe) -> BoxStage | ScoreStage:
    """The stage a recipe names."""
    return BoxStage(model, recipe) if recipe.stage == "boxes" else ScoreStage(model, recipe)
